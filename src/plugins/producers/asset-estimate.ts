/**
 * Parameters of the token estimate for images and videos, by the Go picker's names. `asset-tokens.ts` makes numbers of
 * them.
 */
import { z } from "zod";
import { VIDEO_DURATION, VIDEO_FPS, VIDEO_RESOLUTION } from "./video-headers.ts";

export interface AssetEstimate {
  readonly image?: ImageEstimate | undefined;
  readonly video?: VideoEstimate | undefined;
}

export interface ImageEstimate {
  readonly mode?: Mode;
  readonly defaultResolution?: Resolution;
  readonly dynamic?: { readonly factor?: Count } | undefined;
  readonly static?: { readonly staticToken?: Count } | undefined;
}

export interface VideoEstimate {
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
export type Resolution = { readonly width?: Count; readonly height?: Count } | undefined;

const whole = (description: string): z.ZodType<Count> => z.int().min(0).optional().meta({ description });
const real = (description: string): z.ZodType<Count> => z.number().min(0).optional().meta({ description });
const mode = z
  .enum(["", "dynamic", "static"])
  .optional()
  .meta({ description: "dynamic, the default: by pixels; static: a fixed number" });
const unless = (source: string): string => `, unless ${source} says it`;
const resolution = (source: string): z.ZodType<Resolution> =>
  z
    .strictObject({
      width: whole(`pixels${unless(source)}; 640 by default`),
      height: whole(`pixels${unless(source)}; 360 by default`),
    })
    .optional();
const pixelsPerToken = z.strictObject({ factor: whole("pixels per token; 1024 by default") }).optional();

export const assetEstimate: z.ZodType<AssetEstimate> = z.strictObject({
  image: z
    .strictObject({
      mode,
      defaultResolution: resolution("the image's header"),
      dynamic: pixelsPerToken,
      static: z.strictObject({ staticToken: whole("tokens of an image in mode static; at least 1") }).optional(),
    })
    .optional(),
  video: z
    .strictObject({
      tokensPerFrame: z
        .strictObject({
          mode,
          dynamic: pixelsPerToken,
          static: z
            .strictObject({ numTokensPerFrame: whole("tokens of a frame in mode static; at least 1") })
            .optional(),
        })
        .optional(),
      frames: z
        .strictObject({
          mode: z
            .enum(["", "sampled", "strided"])
            .optional()
            .meta({ description: "sampled, the default: so many frames per second; strided: one in so many" }),
          minFrames: whole("least frames, before some are merged; 0: any"),
          maxFrames: whole("most frames, before some are merged; 0: any"),
          sampled: z
            .strictObject({
              sampleFPS: real("frames per second; 2 by default"),
              temporalPatchSize: whole("frames that are merged; below 2: none"),
            })
            .optional(),
          strided: z
            .strictObject({
              defaultSourceFPS: real(`frames per second${unless(VIDEO_FPS)}; 24 by default`),
              frameStride: whole("frames of which one counts; 1 by default"),
            })
            .optional(),
        })
        .optional(),
      defaultResolution: resolution(VIDEO_RESOLUTION),
      defaultDuration: real(`seconds${unless(VIDEO_DURATION)}; 10 by default`),
      maxVideoTokens: whole("most tokens of a video; 0: what is counted at most"),
    })
    .optional(),
});
