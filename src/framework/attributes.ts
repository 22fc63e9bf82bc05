/**
 * Data keys: what endpoints and requests can be judged by. Plugins declare which they need, so that load-time checks
 * can name what is missing.
 */

export interface DataKey {
  readonly name: string;
  readonly unit: string;
  /** Where the value comes from and when it counts as unknown. */
  readonly source: string;
}

/** Requests waiting at an endpoint: scraped depth plus the requests sent to it since that scrape. */
export const queueDepthRequests: DataKey = {
  name: "queueDepthRequests",
  unit: "requests",
  source: "Engine gauge of waiting requests, raised at once by each pick. Unknown when never scraped or stale.",
};

/** Fraction of an endpoint's KV cache blocks in use. */
export const kvCacheUsageFraction: DataKey = {
  name: "kvCacheUsageFraction",
  unit: "0 to 1",
  source: "Engine gauge of KV cache usage. Unknown when never scraped or stale.",
};

/** Leading blocks of the prompt that an endpoint holds, and the prompt's block count. */
export const prefixMatch: DataKey = {
  name: "prefixMatch",
  unit: "blocks",
  source: "Prefix index, fed by picks. 0 for a request without a prompt.",
};
