/**
 * What a client says about the videos of its request, all of them alike, for the picker does not look into videos. A
 * value that is not of its form, or not above 0, says nothing, as in the Go picker: it makes one client's estimate
 * coarser and harms nobody else, so it is neither refused nor reported.
 */

export interface VideoFacts {
  readonly durationSeconds?: number | undefined;
  /** Frames per second of the video itself. */
  readonly sourceFps?: number | undefined;
  /** Pixels. */
  readonly resolution?: { readonly width: number; readonly height: number } | undefined;
}

export const VIDEO_FPS = "x-llm-d-video-fps";
export const VIDEO_DURATION = "x-llm-d-video-duration-seconds";
/** `WIDTHxHEIGHT`, in pixels. */
export const VIDEO_RESOLUTION = "x-llm-d-video-resolution";
export const VIDEO_HEADERS: readonly string[] = [VIDEO_FPS, VIDEO_DURATION, VIDEO_RESOLUTION];

const DECIMAL = /^\+?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;
const RESOLUTION = /^\s*\+?(\d+)\s*x\s*\+?(\d+)\s*$/i;

/** Undefined when none of the headers was sent. */
export function readVideoHeaders(header: (name: string) => string | undefined): VideoFacts | undefined {
  const fps = header(VIDEO_FPS);
  const duration = header(VIDEO_DURATION);
  const resolution = header(VIDEO_RESOLUTION);
  if (fps === undefined && duration === undefined && resolution === undefined) return undefined;
  return {
    durationSeconds: readPositive(duration),
    sourceFps: readPositive(fps),
    resolution: readResolution(resolution),
  };
}

function readPositive(text = ""): number | undefined {
  const value = DECIMAL.test(text) ? Number(text) : 0;
  return value > 0 && Number.isFinite(value) ? value : undefined;
}

function readResolution(text = ""): VideoFacts["resolution"] {
  const [, width, height] = RESOLUTION.exec(text) ?? [];
  const size = { width: Number(width), height: Number(height) };
  return isPixelCount(size.width) && isPixelCount(size.height) ? size : undefined;
}

function isPixelCount(count: number): boolean {
  return Number.isSafeInteger(count) && count > 0;
}
