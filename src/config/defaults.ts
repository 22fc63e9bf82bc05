/** Every default, once, with its reason. */
import type { ResponseBodyHandling } from "./config.ts";
import type { ConfigDocument } from "./schema.ts";

/**
 * The configuration when none is given: the Go picker's, 2 / 2 / 3. A prefix hit outweighs either load signal alone and
 * loses to both together, so a hot prefix cannot overload its server.
 */
export const DEFAULT_DOCUMENT: ConfigDocument = {
  plugins: [{ type: "queue-scorer" }, { type: "kv-cache-utilization-scorer" }, { type: "prefix-cache-scorer" }],
  schedulingProfiles: [
    {
      name: "default",
      plugins: [
        { pluginRef: "queue-scorer", weight: 2 },
        { pluginRef: "kv-cache-utilization-scorer", weight: 2 },
        { pluginRef: "prefix-cache-scorer", weight: 3 },
      ],
    },
  ],
};

/** Bytes of a configuration file. The largest in use have some 10 KB. */
export const CONFIG_SIZE_MAX: number = 1024 * 1024;

/** Types of plugins that are added where a configuration names none. The Go picker's. */
export const DEFAULT_TYPES = {
  picker: "max-score-picker",
  profileHandler: "single-profile-handler",
  saturationDetector: "utilization-detector",
  fairnessPolicy: "global-strict-fairness-policy",
  orderingPolicy: "fcfs-ordering-policy",
  usageLimitPolicy: "static-usage-limit-policy",
  dataSource: "metrics-data-source",
  extractor: "core-metrics-extractor",
} as const;

/** Parsers of a configuration that names none: the Go picker's, in its order. */
export const PARSER_TYPES_DEFAULT: readonly string[] = [
  "openai-parser",
  "anthropic-parser",
  "vllmhttp-parser",
  "passthrough-parser",
];

/** Bodies of responses are looked at: tokens, and the times to and between them, are known from nothing else. */
export const RESPONSE_BODY_DEFAULT: ResponseBodyHandling = "observe";

/**
 * Who speaks HTTP/2 with proxies, the default first: the shard itself, for a fraction of what grpc-js and Node's HTTP/2
 * take (bench/README.md), or these, to compare with and to fall back on.
 */
export const TRANSPORTS = ["direct", "grpc-js"] as const;
export type TransportKind = (typeof TRANSPORTS)[number];

/** How long a request may wait for a place: the Go picker's `defaultRequestTTL`. */
export const REQUEST_TTL_MS = 60_000;

/** What the waiting requests of one priority may take: the Go picker's bounds. */
export const BAND_BYTES_MAX = 1_000_000_000;
export const BAND_REQUESTS_MAX = 5_000;

/**
 * Slabs of 16 KiB for bodies on each shard: 640 MiB, of which only what was ever used at once is in memory. 1,000
 * bodies of 450 KB, as many as a proxy may have open, take 28,000; the rest is for others that arrive meanwhile.
 */
export const SHARD_SLABS_MAX = 40_960;

/** Weight of a scorer without one: as in the Go picker. */
export const SCORER_WEIGHT_DEFAULT = 1;

/** Bytes of prompt text that count as one token: the Go picker's estimate, and close to what English text gives. */
export const TOKEN_SIZE_BYTES = 4;

/** Age at which a scraped value counts as unknown: the Go picker's `metrics-staleness-threshold`, 40 scrape ticks. */
export const METRICS_STALE_MS = 2_000;

/** Time between two computations of the pool's gauges: the Go picker's `refresh-prometheus-metrics-interval`. */
export const POOL_GAUGES_REFRESH_MS = 5_000;

/** Time between two scrapes of an endpoint: the Go picker's default, and its lower bound. */
export const SCRAPE_INTERVAL_MS = 50;

/** Time for which an answer to a scrape may take in all: 20 ticks, and what the Go picker allows. */
export const SCRAPE_TIMEOUT_MS = 1_000;

/**
 * Longest time between two scrapes of an endpoint that does not answer: soon enough for one that starts again, and a
 * dead one costs a connection attempt a second.
 */
export const SCRAPE_RETRY_MS_MAX = 1_000;

/**
 * Time between two scrapes of an endpoint that has nothing to do (`--scrape-backoff`): with nothing in flight its load
 * stays zero, and 100 idle engines cost 100 expositions a second less than 2,000. Never more than half the staleness
 * threshold, so that what is known stays known.
 */
export const SCRAPE_IDLE_MS = 1_000;

/**
 * Time between two looks at an endpoint's list of models: it changes when adapters are loaded, by hand. Below the 5 s
 * after which common servers close an idle connection.
 */
export const MODELS_INTERVAL_MS = 2_000;

/** Scrapes that may be under way at once: one per endpoint. */
export const SCRAPE_WINDOW_COUNT = 1_024;

/**
 * Time for which a changed endpoints file must stay as it is before it is read: an editor writes, renames and touches
 * in several steps.
 */
export const FILE_SETTLE_MS = 100;

/** Time between two looks at an endpoints file whose change nobody told of, as on network file systems. */
export const FILE_POLL_MS = 5_000;

/** Bodies of one shard that may be arriving at once: 46 MB of address space, committed only as far as used. */
export const STREAM_WINDOW_COUNT = 2_048;

/** 2^20 key slots hold 734,003 distinct blocks (188 MB of prompt text) in 16 MiB. */
export const INDEX_SLOTS_LOG2 = 20;

/**
 * Blocks held, counted per endpoint, over the whole fleet: 134 endpoints at the default of 31,250 blocks each, in up to
 * 134 MB of the index writer's private memory. Beyond it the fullest endpoints forget first.
 */
export const INDEX_HOLDINGS_MAX: number = 2 ** 22;

/**
 * Time for which an emptied prefix index counts as not yet learnt: prompts that come again mostly do so within minutes.
 */
export const INDEX_LEARNING_MS: number = 10 * 60 * 1000;

/** A prompt of a million tokens takes some 5 MB; 64 MiB leaves room for images in base64. */
export const REQUEST_BODY_SIZE_MAX: number = 64 * 1024 * 1024;

/** Time from the word to end until open streams are cut: the Go picker's default, and Kubernetes' grace. */
export const DRAIN_TIMEOUT_MS = 30_000;

/**
 * Part of the drain timeout in which requests are still taken. Nobody knows at once that a picker ends: Envoy asks for
 * its health every few seconds, and Kubernetes takes about as long to tell proxies that a pod goes. A request that
 * comes meanwhile would fail. The Go picker takes requests for its whole drain timeout, which makes every end as slow;
 * 5 s is more than a check each second needs, twice, and leaves most of the timeout to long responses.
 */
export const DRAIN_NOTICE_MS = 5_000;

/**
 * Time that one call of a user's plugin may take: many times what a function over some hundred candidates needs, and
 * little beside the time that a model server takes for a token.
 */
export const PLUGIN_BUDGET_MS = 1;

/** Blocks that the index takes an endpoint to hold where no producer says: the Go picker's `lruCapacityPerServer`. */
export const BLOCKS_PER_ENDPOINT_MAX = 31_250;
