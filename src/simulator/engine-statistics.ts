/** What one engine has counted since it started: the source of the counters and histograms of `/metrics`. */
import { Histogram } from "./histogram.ts";

export type FinishReason = "stop" | "length" | "abort";

export class EngineStatistics {
  /** Prompt tokens looked up in the KV cache, and those found there. */
  prefixQueryTokens = 0;
  prefixHitTokens = 0;
  /** Prompt tokens of requests that have their first token. */
  promptTokens = 0;
  generationTokens = 0;
  readonly finishedRequests: Record<FinishReason, number> = { stop: 0, length: 0, abort: 0 };
  readonly timeToFirstTokenSeconds: Histogram = new Histogram(TIME_TO_FIRST_TOKEN_BOUNDS);
  readonly interTokenSeconds: Histogram = new Histogram(INTER_TOKEN_BOUNDS);
  readonly requestSeconds: Histogram = new Histogram(REQUEST_BOUNDS);
}

// Bucket bounds in seconds, those of vLLM, so that dashboards made for it show something.
const TIME_TO_FIRST_TOKEN_BOUNDS = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
];
const INTER_TOKEN_BOUNDS = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
];
const REQUEST_BOUNDS = [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];
