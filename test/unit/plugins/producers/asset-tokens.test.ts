/** As how many tokens images and videos count. Expected values are worked out by hand from the Go picker's formulas. */
import { describe, expect, it } from "vitest";
import { Prng } from "../../../../src/base/prng.ts";
import type { AssetEstimate, VideoEstimate } from "../../../../src/plugins/producers/asset-estimate.ts";
import { assetTokensOf } from "../../../../src/plugins/producers/asset-tokens.ts";
import { tokenProducer } from "../../../../src/plugins/producers/token.ts";
import { ASSETS_DEFAULT } from "../../../support/asset-tokens.ts";

const SEED = 20_261_120;
const MAX = 16_384;

/** Frames of 70 tokens each: what counts them is easy to see. */
const SEVENTY: VideoEstimate = { tokensPerFrame: { mode: "static", static: { numTokensPerFrame: 70 } } };

type HeaderLookup = (name: string) => string | undefined;

function headersOf(sent: { fps?: string; seconds?: string; resolution?: string }): HeaderLookup {
  const headers = new Map([
    ["x-llm-d-video-fps", sent.fps],
    ["x-llm-d-video-duration-seconds", sent.seconds],
    ["x-llm-d-video-resolution", sent.resolution],
  ]);
  return (name) => headers.get(name);
}

describe("images", () => {
  it.each<{ name: string; image: AssetEstimate["image"]; pixels: number; tokens: number }>([
    { name: "nothing is given", image: undefined, pixels: 1024, tokens: 225 },
    { name: "zeros and empty texts are given", image: { mode: "", dynamic: { factor: 0 } }, pixels: 1024, tokens: 225 },
    { name: "a factor is given", image: { mode: "dynamic", dynamic: { factor: 784 } }, pixels: 784, tokens: 293 },
    {
      name: "a resolution is given",
      image: { defaultResolution: { width: 1920, height: 1080 } },
      pixels: 1024,
      tokens: 2025,
    },
    {
      name: "a width is given, and the height not",
      image: { defaultResolution: { width: 1024 } },
      pixels: 1024,
      tokens: 360,
    },
    {
      name: "a height is given, and the width not",
      image: { defaultResolution: { height: 1024 } },
      pixels: 1024,
      tokens: 640,
    },
    {
      name: "a token has more pixels than an image",
      image: { dynamic: { factor: 230_401 } },
      pixels: 230_401,
      tokens: 1,
    },
    {
      name: "a token has more pixels than 32 bits",
      image: { dynamic: { factor: 2 ** 40 } },
      pixels: 2 ** 32 - 1,
      tokens: 1,
    },
    { name: "they are huge", image: { defaultResolution: { width: 1e6, height: 1e6 } }, pixels: 1024, tokens: MAX },
    { name: "all count alike", image: { mode: "static", static: { staticToken: 256 } }, pixels: 0, tokens: 256 },
    { name: "all count alike, nobody says as what", image: { mode: "static" }, pixels: 0, tokens: 1 },
    { name: "all count as too much", image: { mode: "static", static: { staticToken: 1e6 } }, pixels: 0, tokens: MAX },
    { name: "the number of another mode is given", image: { static: { staticToken: 256 } }, pixels: 1024, tokens: 225 },
    {
      name: "the factor of another mode is given",
      image: { mode: "static", dynamic: { factor: 7 }, static: { staticToken: 256 } },
      pixels: 0,
      tokens: 256,
    },
  ])("when $name", ({ image, pixels, tokens }) => {
    expect(assetTokensOf({ image })).toMatchObject({
      imageTokenPixels: pixels,
      imageTokens: tokens,
      videoTokens: 4500,
    });
  });
});

describe("videos", () => {
  it.each<{ name: string; video: VideoEstimate; tokens: number }>([
    { name: "10 s at 2 frames per second of 640 × 360 pixels, by default", video: {}, tokens: 4500 },
    {
      name: "all defaults, written out",
      video: {
        tokensPerFrame: { mode: "dynamic", dynamic: { factor: 1024 } },
        frames: { mode: "sampled", minFrames: 0, maxFrames: 0, sampled: { sampleFPS: 2, temporalPatchSize: 1 } },
        defaultResolution: { width: 640, height: 360 },
        defaultDuration: 10,
        maxVideoTokens: 0,
      },
      tokens: 4500,
    },
    { name: "another duration", video: { ...SEVENTY, defaultDuration: 7.9 }, tokens: 15 * 70 },
    { name: "another rate", video: { ...SEVENTY, frames: { sampled: { sampleFPS: 0.25 } } }, tokens: 2 * 70 },
    { name: "less than one frame", video: { ...SEVENTY, defaultDuration: 0.4 }, tokens: 1 },
    { name: "pairs of frames", video: { ...SEVENTY, frames: { sampled: { temporalPatchSize: 2 } } }, tokens: 10 * 70 },
    { name: "threes of frames", video: { ...SEVENTY, frames: { sampled: { temporalPatchSize: 3 } } }, tokens: 6 * 70 },
    { name: "at least so many frames", video: { ...SEVENTY, frames: { minFrames: 32 } }, tokens: 32 * 70 },
    { name: "at most so many frames", video: { ...SEVENTY, frames: { maxFrames: 16 } }, tokens: 16 * 70 },
    {
      name: "bounds that contradict each other: the upper one holds",
      video: { ...SEVENTY, frames: { minFrames: 32, maxFrames: 16 } },
      tokens: 16 * 70,
    },
    {
      name: "bounds before pairs",
      video: { ...SEVENTY, frames: { minFrames: 31, sampled: { temporalPatchSize: 2 } } },
      tokens: 15 * 70,
    },
    {
      name: "strides of one frame",
      video: { ...SEVENTY, frames: { mode: "strided", maxFrames: 200 } },
      tokens: 200 * 70,
    },
    {
      name: "strides of four frames",
      video: { ...SEVENTY, frames: { mode: "strided", strided: { frameStride: 4 } } },
      tokens: 60 * 70,
    },
    {
      name: "strides that leave a rest",
      video: {
        ...SEVENTY,
        defaultDuration: 1.5,
        frames: { mode: "strided", strided: { defaultSourceFPS: 29.97, frameStride: 7 } },
      },
      tokens: 6 * 70,
    },
    {
      name: "strides, for which the numbers of the other mode do not count",
      video: {
        ...SEVENTY,
        frames: { mode: "strided", strided: { frameStride: 10 }, sampled: { sampleFPS: 9, temporalPatchSize: 5 } },
      },
      tokens: 24 * 70,
    },
    { name: "frames of a fixed number that nobody says", video: { tokensPerFrame: { mode: "static" } }, tokens: 20 },
    {
      name: "frames of another resolution",
      video: { defaultResolution: { width: 1280, height: 720 }, frames: { maxFrames: 2 } },
      tokens: 1800,
    },
    { name: "frames by 28 × 28 pixels", video: { tokensPerFrame: { dynamic: { factor: 784 } } }, tokens: 20 * 293 },
    {
      name: "frames of fewer pixels than a token",
      video: { tokensPerFrame: { dynamic: { factor: 1e9 } } },
      tokens: 20,
    },
    { name: "at most so many tokens", video: { maxVideoTokens: 4499 }, tokens: 4499 },
    { name: "more tokens than it has", video: { maxVideoTokens: 4501 }, tokens: 4500 },
    { name: "more than is counted", video: { defaultDuration: 3600 }, tokens: MAX },
    {
      name: "more than a number can say",
      video: { defaultDuration: 1e300, frames: { sampled: { sampleFPS: 1e300 } } },
      tokens: MAX,
    },
    {
      name: "Qwen3-VL: frames in pairs, at least four of them",
      video: { frames: { minFrames: 4, sampled: { sampleFPS: 2, temporalPatchSize: 2 } }, maxVideoTokens: 12_288 },
      tokens: 10 * 225,
    },
    {
      name: "Gemma 4: each fourth frame, 16 at most, of 256 tokens",
      video: {
        tokensPerFrame: { mode: "static", static: { numTokensPerFrame: 256 } },
        frames: { mode: "strided", maxFrames: 16, strided: { defaultSourceFPS: 24, frameStride: 4 } },
      },
      tokens: 4096,
    },
  ])("$name", ({ video, tokens }) => {
    expect(assetTokensOf({ video })).toMatchObject({ ...ASSETS_DEFAULT, videoTokens: tokens });
  });

  it("what no header tells is as the parameters say, and what one tells wins", () => {
    const strided: VideoEstimate = {
      frames: { mode: "strided", strided: { defaultSourceFPS: 8, frameStride: 2 } },
      defaultDuration: 3,
      defaultResolution: { width: 320, height: 320 },
    };
    const { videoTokens, videoTokensOf } = assetTokensOf({ video: strided });
    expect(videoTokens).toBe(12 * 100);
    expect(videoTokensOf(headersOf({}))).toBeUndefined();
    expect(videoTokensOf(headersOf({ fps: "6" }))).toBe(9 * 100);
    expect(videoTokensOf(headersOf({ seconds: "1.25" }))).toBe(5 * 100);
    expect(videoTokensOf(headersOf({ resolution: "64x32" }))).toBe(12 * 2);
    expect(videoTokensOf(headersOf({ fps: "6", seconds: "1", resolution: "64x32" }))).toBe(3 * 2);
  });

  it("the bounds of the parameters hold for what headers tell as well", () => {
    const { videoTokensOf } = assetTokensOf({ video: { ...SEVENTY, frames: { maxFrames: 9 }, maxVideoTokens: 600 } });
    expect(videoTokensOf(headersOf({ seconds: "4" }))).toBe(8 * 70);
    expect(videoTokensOf(headersOf({ seconds: "400" }))).toBe(600);
    expect(assetTokensOf({}).videoTokensOf(headersOf({ seconds: "1e300" }))).toBe(MAX);
  });

  it("where frames are sampled or count alike, the rate of the video or its resolution changes nothing", () => {
    const { videoTokensOf } = assetTokensOf({ video: SEVENTY });
    expect(videoTokensOf(headersOf({ fps: "60", resolution: "3840x2160" }))).toBe(20 * 70);
  });

  it.each([
    ["640x720", 20 * 450],
    ["320X320", 20 * 100],
    [" 320 x 320 ", 20 * 100],
    ["+320x0320", 20 * 100],
    ["1x1", 20],
    ["99999999999x99999999999", MAX],
    ["99999999999999999999x1", 4500],
    ...[
      "",
      "x",
      "320",
      "320x",
      "x320",
      "0x320",
      "320x0",
      "-320x320",
      "320x-320",
      "320x320x1",
      "320.0x320",
      "1e2x320",
      "320*320",
    ].map((text) => [text, 4500] as const),
  ] as const)("a resolution of %j", (resolution, tokens) => {
    expect(assetTokensOf({}).videoTokensOf(headersOf({ resolution }))).toBe(tokens);
  });

  it.each([
    ["3", 6],
    ["3.0", 6],
    ["3.", 6],
    [".5", 1],
    ["+3", 6],
    ["3e0", 6],
    ["30E-1", 6],
    ...["", " ", "0", "-3", "3s", "0x3", "NaN", "Infinity", "inf", "1e999", "3,5", "1_0", "١"].map(
      (text) => [text, 20] as const,
    ),
  ] as const)("a duration of %j", (seconds, frames) => {
    expect(assetTokensOf({}).videoTokensOf(headersOf({ seconds }))).toBe(frames * 225);
  });

  // By the square of it, it would take some ten seconds.
  it("a long header takes time by its length, not by the square of it", { timeout: 2_000 }, () => {
    const { videoTokensOf } = assetTokensOf({});
    for (const digits of ["1".repeat(50_000), `${"1".repeat(50_000)}.`, `${" ".repeat(50_000)}1`]) {
      expect(videoTokensOf(headersOf({ seconds: `${digits}s`, resolution: `${digits}y` }))).toBe(4500);
    }
  });
});

/**
 * Strategy: parameters as the schema takes them, from a few values around each edge, and headers likewise. Invariants:
 * every number is whole and within its bounds, and longer videos never have fewer tokens.
 */
it("whatever the parameters and headers, the kernel can take what comes out", () => {
  const prng = new Prng(SEED);
  const draw = <Value>(...values: readonly Value[]): Value => values[prng.nextU32() % values.length] as Value;
  const whole = (): number | undefined => draw(undefined, 0, 1, 2, 3, 70, 1024, 2 ** 32, Number.MAX_SAFE_INTEGER);
  const real = (): number | undefined => draw(undefined, 0, 1e-300, 0.3, 1, 2, 23.976, 1e9, Number.MAX_VALUE);
  const resolution = (): object | undefined => draw(undefined, { width: whole(), height: whole() });
  const modes = (): object => ({
    mode: draw(undefined, "", "dynamic", "static"),
    dynamic: draw(undefined, { factor: whole() }),
  });
  const ROUNDS = 5_000;
  for (let round = 0; round < ROUNDS; round++) {
    const given = {
      image: { ...modes(), defaultResolution: resolution(), static: draw(undefined, { staticToken: whole() }) },
      video: {
        tokensPerFrame: { ...modes(), static: draw(undefined, { numTokensPerFrame: whole() }) },
        frames: {
          mode: draw(undefined, "", "sampled", "strided"),
          minFrames: whole(),
          maxFrames: whole(),
          sampled: draw(undefined, { sampleFPS: real(), temporalPatchSize: whole() }),
          strided: draw(undefined, { defaultSourceFPS: real(), frameStride: whole() }),
        },
        defaultResolution: resolution(),
        defaultDuration: real(),
        maxVideoTokens: whole(),
      },
    };
    const { estimate = {} } = tokenProducer.parameters.parse({ estimate: given });
    const shape = assetTokensOf(estimate);
    const fps = draw(undefined, "1", "29.97", "0", "no");
    const size = draw(undefined, "1x1", "1920x1080", "no");
    const ofSeconds = ["0.01", "1", "7.5", "600", "1e300"].map((seconds) =>
      shape.videoTokensOf(headersOf({ seconds, ...(fps && { fps }), ...(size && { resolution: size }) })),
    );
    const told = `seed ${SEED}, round ${round}: ${JSON.stringify(given)}`;
    for (const tokens of [shape.imageTokens, shape.videoTokens, ...ofSeconds]) {
      expect(Number.isInteger(tokens) && Number(tokens) >= 1 && Number(tokens) <= MAX, told).toBe(true);
    }
    expect(Number.isInteger(shape.imageTokenPixels) && shape.imageTokenPixels < 2 ** 32, told).toBe(true);
    expect(ofSeconds, told).toEqual(ofSeconds.toSorted((one, other) => Number(one) - Number(other)));
  }
});
