/**
 * As how many tokens images and videos count. The arithmetic is the Go picker's, default by default:
 *
 *   image = pixels / factor, or a fixed number
 *   video = frames × tokens of a frame, where a frame counts like an image
 *           sampled: clamp(duration × sampleFPS) / temporalPatchSize     strided: clamp(duration × sourceFPS / stride)
 *
 * Each division leaves out the rest, and nothing counts as less than 1 token. What a request's headers say about its
 * videos wins over the parameters. The images of a body are counted in the kernel, which gets the numbers from here.
 */
import type { AssetTokensShape } from "../../framework/plugin.ts";
import { layout } from "../../wasm/layout.ts";
import type { AssetEstimate, ImageEstimate, Resolution, VideoEstimate } from "./asset-estimate.ts";
import { readVideoHeaders, type VideoFacts } from "./video-headers.ts";

/** One token is a square of 32 × 32 pixels, as in Qwen3-VL. */
const TOKEN_PIXELS = 1024;
/** 360p, of which small pictures and previews are. */
const WIDTH_PIXELS = 640;
const HEIGHT_PIXELS = 360;
const DURATION_SECONDS = 10;
/** Frames per second that a model looks at. */
const SAMPLE_FPS = 2;
/** Frames per second of films. */
const SOURCE_FPS = 24;
/** The kernel keeps the pixels of a token in 32 bits. */
const TOKEN_PIXELS_MAX = 2 ** 32 - 1;

/** What these parameters make of images and videos, bounded by ASSET_TOKENS_MAX. */
export function assetTokensOf({ image = {}, video = {} }: AssetEstimate): AssetTokensShape {
  return {
    imageTokenPixels:
      image.mode === "static" ? 0 : Math.min(orElse(image.dynamic?.factor, TOKEN_PIXELS), TOKEN_PIXELS_MAX),
    imageTokens: bounded(imageTokens(image)),
    videoTokens: bounded(videoTokens(video, {})),
    videoTokensOf: (header) => {
      const facts = readVideoHeaders(header);
      return facts && bounded(videoTokens(video, facts));
    },
  };
}

/** Paths of the parameters by which an image or a video has more tokens than are ever counted. */
export function tooManyTokens({ image = {}, video = {} }: AssetEstimate): string[] {
  const paths = [];
  if (imageTokens(image) > layout.ASSET_TOKENS_MAX) paths.push("image");
  const videoMax = Math.max(videoTokens(video, {}), video.maxVideoTokens ?? 0);
  if (videoMax > layout.ASSET_TOKENS_MAX) paths.push("video");
  return paths;
}

/** Of an image whose size is not known, or of any in mode static. */
function imageTokens({ mode, static: fixed, dynamic, defaultResolution }: ImageEstimate): number {
  if (mode === "static") return atLeastOne(fixed?.staticToken);
  return tokensOfPixels(pixelsOf(defaultResolution), dynamic?.factor);
}

function videoTokens(video: VideoEstimate, facts: VideoFacts): number {
  const tokens = frameCount(video, facts) * tokensPerFrame(video, facts);
  return atLeastOne(Math.min(tokens, orElse(video.maxVideoTokens, Number.POSITIVE_INFINITY)));
}

function tokensPerFrame({ tokensPerFrame: frame = {}, defaultResolution }: VideoEstimate, facts: VideoFacts): number {
  if (frame.mode === "static") return atLeastOne(frame.static?.numTokensPerFrame);
  return tokensOfPixels(pixelsOf(facts.resolution ?? defaultResolution), frame.dynamic?.factor);
}

/** The bounds hold for the frames that are looked at, before some of them are merged. */
function frameCount({ frames = {}, defaultDuration }: VideoEstimate, facts: VideoFacts): number {
  const { mode, minFrames = 0, maxFrames, sampled, strided } = frames;
  const seconds = facts.durationSeconds ?? orElse(defaultDuration, DURATION_SECONDS);
  const clamp = (count: number): number =>
    Math.min(Math.max(count, minFrames), orElse(maxFrames, Number.POSITIVE_INFINITY));
  if (mode === "strided") {
    const sourceFps = facts.sourceFps ?? orElse(strided?.defaultSourceFPS, SOURCE_FPS);
    return clamp(Math.floor((seconds * sourceFps) / orElse(strided?.frameStride, 1)));
  }
  const looked = clamp(Math.floor(seconds * orElse(sampled?.sampleFPS, SAMPLE_FPS)));
  return Math.floor(looked / orElse(sampled?.temporalPatchSize, 1));
}

function tokensOfPixels(pixels: number, factor: number | undefined): number {
  return atLeastOne(Math.floor(pixels / orElse(factor, TOKEN_PIXELS)));
}

function pixelsOf(resolution: Resolution): number {
  return orElse(resolution?.width, WIDTH_PIXELS) * orElse(resolution?.height, HEIGHT_PIXELS);
}

function atLeastOne(tokens = 1): number {
  return Math.max(1, tokens);
}

function bounded(tokens: number): number {
  return Math.min(tokens, layout.ASSET_TOKENS_MAX);
}

/** A parameter that is left out, or 0, means its default. */
function orElse(value: number | undefined, standard: number): number {
  return value === undefined || value === 0 ? standard : value;
}
