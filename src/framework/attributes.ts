/**
 * Data keys: what endpoints and requests can be judged by. Plugins declare which they need and which they produce, so
 * that load-time checks can name what is missing, or add the plugin that supplies it.
 */

export interface DataKey {
  readonly name: string;
  readonly unit: string;
  /** Where the value comes from and when it counts as unknown. */
  readonly source: string;
  /** Type of the plugin that is added when a plugin needs the key and no plugin of the configuration produces it. */
  readonly defaultProducer?: string;
}

/** Requests waiting at an endpoint: scraped depth plus the requests sent to it since that scrape. */
export const queueDepthRequests: DataKey = {
  name: "queueDepthRequests",
  unit: "requests",
  source: "Engine gauge of waiting requests, raised at once by each pick. Unknown when never scraped or stale.",
};

/** Requests that an endpoint works on. */
export const runningRequests: DataKey = {
  name: "runningRequests",
  unit: "requests",
  source: "Engine gauge of running requests. Unknown when never scraped or stale.",
};

/** Fraction of an endpoint's KV cache blocks in use. */
export const kvCacheUsageFraction: DataKey = {
  name: "kvCacheUsageFraction",
  unit: "0 to 1",
  source: "Engine gauge of KV cache usage. Unknown when never scraped or stale.",
};

/** LoRA adapters that an endpoint has loaded or waits to load, and how many it can hold. */
export const loraAdapters: DataKey = {
  name: "loraAdapters",
  unit: "adapters",
  source: "Engine gauge of LoRA requests. Unknown for an engine without adapters.",
};

/** Models and adapters that an endpoint serves. */
export const servedModels: DataKey = {
  name: "servedModels",
  unit: "names",
  source: "The engine's list of models. Unknown when it is not asked for, or does not answer.",
};

/** Leading blocks of the prompt that an endpoint holds, and the prompt's block count. */
export const prefixMatch: DataKey = {
  name: "prefixMatch",
  unit: "blocks",
  source: "Prefix index, fed by picks. 0 for a request without a prompt.",
  defaultProducer: "approx-prefix-cache-producer",
};

/** Requests that were sent to an endpoint and have not ended, and the tokens of their prompts that it did not hold. */
export const inFlightLoad: DataKey = {
  name: "inFlightLoad",
  unit: "requests and tokens",
  source: "Counted by the picker, over all shards, from pick to end. Never unknown.",
  defaultProducer: "inflight-load-producer",
};

/** Tokens of a request's prompt. */
export const promptTokens: DataKey = {
  name: "promptTokens",
  unit: "tokens",
  source: "Estimated while the body arrives. 0 for a request without a prompt.",
  defaultProducer: "token-producer",
};

/** The session that a request belongs to. */
export const sessionId: DataKey = {
  name: "sessionId",
  unit: "text",
  source: "A header or a cookie of the request. Absent when the request has none.",
  defaultProducer: "session-id-producer",
};

/** The agent session that a request belongs to. A request without a fairness id takes it for one. */
export const agentIdentity: DataKey = {
  name: "agentIdentity",
  unit: "text",
  source: "The first session header that a known agent sends. Absent when the request has none.",
};
