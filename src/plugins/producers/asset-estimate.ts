/**
 * Parameters of the token estimate for images and videos. The kernel counts them in one way, the Go picker's default:
 * the schema checks every other way as well, and `ignoredEstimates` names what of it changes nothing.
 */
import { z } from "zod";

export interface AssetEstimate {
  readonly image?: ImageEstimate | undefined;
  readonly video?: VideoEstimate | undefined;
}

interface ImageEstimate {
  readonly mode?: Mode;
  readonly defaultResolution?: Resolution;
  readonly dynamic?: { readonly factor?: Count } | undefined;
  readonly static?: { readonly staticToken?: Count } | undefined;
}

interface VideoEstimate {
  readonly tokensPerFrame?:
    | {
        readonly mode?: Mode;
        readonly dynamic?: { readonly factor?: Count } | undefined;
        readonly static?: { readonly numTokensPerFrame?: Count } | undefined;
      }
    | undefined;
  readonly frames?:
    | {
        readonly mode?: "" | "sampled" | "strided" | undefined;
        readonly minFrames?: Count;
        readonly maxFrames?: Count;
        readonly sampled?: { readonly sampleFPS?: Count; readonly temporalPatchSize?: Count } | undefined;
        readonly strided?: { readonly defaultSourceFPS?: Count; readonly frameStride?: Count } | undefined;
      }
    | undefined;
  readonly defaultResolution?: Resolution;
  /** Seconds. */
  readonly defaultDuration?: Count;
  readonly maxVideoTokens?: Count;
}

type Mode = "" | "dynamic" | "static" | undefined;
/** What is left out, or 0, means the default. */
type Count = number | undefined;
type Resolution = { readonly width?: Count; readonly height?: Count } | undefined;

const whole = (description: string): z.ZodType<Count> => z.int().min(0).optional().meta({ description });
const real = (description: string): z.ZodType<Count> => z.number().min(0).optional().meta({ description });
const mode = z.enum(["", "dynamic", "static"]).optional().meta({ description: "only dynamic has an effect" });
const resolution = z
  .strictObject({ width: whole("pixels; 640 if not known"), height: whole("pixels; 360 if not known") })
  .optional();
const pixelsPerToken = z.strictObject({ factor: whole("pixels per token; 1024 by default") }).optional();
const UNUSED = "of a mode without effect";

export const assetEstimate: z.ZodType<AssetEstimate> = z.strictObject({
  image: z
    .strictObject({
      mode,
      defaultResolution: resolution,
      dynamic: pixelsPerToken,
      static: z.strictObject({ staticToken: whole(UNUSED) }).optional(),
    })
    .optional(),
  video: z
    .strictObject({
      tokensPerFrame: z
        .strictObject({
          mode,
          dynamic: pixelsPerToken,
          static: z.strictObject({ numTokensPerFrame: whole(UNUSED) }).optional(),
        })
        .optional(),
      frames: z
        .strictObject({
          mode: z.enum(["", "sampled", "strided"]).optional().meta({ description: "only sampled has an effect" }),
          minFrames: whole("least frames; 0: any"),
          maxFrames: whole("most frames; 0: any"),
          sampled: z
            .strictObject({
              sampleFPS: real("frames per second; 2 by default"),
              temporalPatchSize: whole("frames that are merged; below 2: none"),
            })
            .optional(),
          strided: z.strictObject({ defaultSourceFPS: real(UNUSED), frameStride: whole(UNUSED) }).optional(),
        })
        .optional(),
      defaultResolution: resolution,
      defaultDuration: real("seconds; 10 by default"),
      maxVideoTokens: whole("most tokens of a video; 0: any"),
    })
    .optional(),
});

/** What the kernel does: `assembly/assets.ts`. */
const FOLLOWED: ReadonlyMap<string, readonly unknown[]> = new Map<string, readonly unknown[]>([
  ["image.mode", ["", "dynamic"]],
  ["image.defaultResolution.width", [0, 640]],
  ["image.defaultResolution.height", [0, 360]],
  ["image.dynamic.factor", [0, 1024]],
  ["video.tokensPerFrame.mode", ["", "dynamic"]],
  ["video.tokensPerFrame.dynamic.factor", [0, 1024]],
  ["video.frames.mode", ["", "sampled"]],
  ["video.frames.minFrames", [0]],
  ["video.frames.maxFrames", [0]],
  ["video.frames.sampled.sampleFPS", [0, 2]],
  ["video.frames.sampled.temporalPatchSize", [0, 1]],
  ["video.defaultResolution.width", [0, 640]],
  ["video.defaultResolution.height", [0, 360]],
  ["video.defaultDuration", [0, 10]],
  ["video.maxVideoTokens", [0]],
]);

/** Parameters whose modes are not used change nothing in the Go picker either. */
const OF_OTHER_MODES: readonly string[] = ["image.static.", "video.tokensPerFrame.static.", "video.frames.strided."];

/** Paths of the parameters that ask for what the kernel does not do. */
export function ignoredEstimates(estimate: AssetEstimate): string[] {
  return leaves(estimate, "")
    .filter(({ path, value }) => FOLLOWED.get(path)?.includes(value) !== true)
    .map(({ path }) => path)
    .filter((path) => !OF_OTHER_MODES.some((prefix) => path.startsWith(prefix)));
}

function leaves(value: unknown, path: string): { path: string; value: unknown }[] {
  if (value === undefined) return [];
  if (typeof value !== "object" || value === null) return [{ path, value }];
  return Object.entries(value).flatMap(([name, inner]) => leaves(inner, path === "" ? name : `${path}.${name}`));
}
