/**
 * Defaults of a simulated model server, each with its reason. Together they resemble an 8-billion-parameter model on
 * one large GPU.
 */
import { systemClock } from "../base/clock.ts";
import type { SimulatorSettings } from "./options.ts";

export const SIMULATOR_DEFAULTS: SimulatorSettings = {
  name: "simulator",
  /** Nothing beyond this machine is meant to ask a server that knows nothing. */
  host: "127.0.0.1",
  /** A free port: tests run side by side. */
  port: 0,
  model: "simulated-8b",
  adapters: [],
  /** A common production value; vLLM itself defaults to 1. */
  runningAdaptersMax: 4,
  /** Far below vLLM's 256, so that the load one laptop can make is enough to see queues. */
  runningRequestsMax: 8,
  /** Long enough for documents and agents; 1/8 of the cache, so that one request cannot empty it. */
  contextTokensMax: 32_768,
  /** vLLM's default on GPUs. */
  blockSizeTokens: 16,
  /**
   * 262,144 tokens: 34 GB at 131,072 bytes per token (32 layers, 8 KV heads of 128, 16 bits), as 80 GB of GPU memory
   * leave.
   */
  kvCacheBlocks: 16_384,
  /** One engine step. */
  prefillOverheadMs: 12,
  /** 16,000 tokens per second. */
  prefillTokenMs: 0.0625,
  /** One engine step per token: 83 tokens per second for a lone request. */
  interTokenMs: 12,
  /** A full batch serves each request half as fast as a lone one: load is visible, and batching still pays fourfold. */
  loadFactorMax: 2,
  /** A sentence. */
  replyTokensMin: 16,
  /** A few paragraphs, about 3 s for a lone request. */
  replyTokensMax: 256,
  /** Never cuts a drawn length short: only a client's own limit does. */
  replyTokensCutoff: 256,
  seed: 1,
  /** Tests read the text; whoever measures scraping asks for a realistic 60,000. */
  expositionSizeMin: 0,
  metricOverrides: {},
  fault: { kind: "none" },
  /** A configured fault is met every time unless told otherwise. */
  faultFraction: 1,
  clock: systemClock,
};

/** Requests that wait in one server. vLLM sets no bound; this one only keeps a runaway test from filling the memory. */
export const WAITING_REQUESTS_MAX = 100_000;

/** Request body. A context of a million tokens fits, escaped. */
export const REQUEST_BODY_SIZE_MAX: number = 16 * 1024 * 1024;

/** Adapter combinations that `/metrics` remembers. vLLM remembers all; the oldest are of no use to a reader. */
export const ADAPTER_SERIES_MAX = 64;

/**
 * How long an idle connection stays open. Longer than clients keep theirs, so that none is closed just as it is used
 * again.
 */
export const KEEP_ALIVE_MS = 75_000;
