/** The metrics of one engine, under vLLM's names and labels. How they are written down is `exposition-format.ts`. */
import { ADAPTER_SERIES_MAX } from "./defaults.ts";
import type { Engine } from "./engine.ts";
import type { Histogram } from "./histogram.ts";
import type { SimulatorSettings } from "./options.ts";

export interface MetricFamily {
  readonly name: string;
  readonly type: "gauge" | "counter" | "histogram";
  readonly help: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  /** What follows the family's name, as in `_bucket`. */
  readonly suffix: string;
  readonly labels: Labels;
  readonly value: number;
}

export type Labels = Readonly<Record<string, string>>;

/** Gauges, counters and histograms that describe requests. */
export function requestFamilies(engine: Engine, settings: SimulatorSettings): MetricFamily[] {
  const labels: Labels = { engine: "0", model_name: settings.model };
  const { statistics } = engine;
  const { stop, length, abort } = statistics.finishedRequests;
  const gauge = (name: string, help: string, value: number): MetricFamily => family("gauge", name, help, labels, value);
  const counter = (name: string, help: string, value: number): MetricFamily =>
    family("counter", name, help, labels, value);
  const finished = (reason: string, value: number): Sample => sample("", { ...labels, finished_reason: reason }, value);
  return [
    gauge("vllm:num_requests_running", "Requests in the running batch.", engine.runningRequests),
    gauge("vllm:num_requests_waiting", "Requests that wait for a place.", engine.waitingRequests),
    gauge("vllm:kv_cache_usage_perc", "KV cache in use by running requests, 0 to 1.", engine.cache.usageFraction),
    counter(
      "vllm:prefix_cache_queries_total",
      "Prompt tokens looked up in the KV cache.",
      statistics.prefixQueryTokens,
    ),
    counter("vllm:prefix_cache_hits_total", "Prompt tokens found in the KV cache.", statistics.prefixHitTokens),
    counter("vllm:prompt_tokens_total", "Prompt tokens of requests with a first token.", statistics.promptTokens),
    counter("vllm:generation_tokens_total", "Tokens of replies.", statistics.generationTokens),
    {
      name: "vllm:request_success_total",
      type: "counter",
      help: "Ended requests by reason.",
      samples: [finished("stop", stop), finished("length", length), finished("abort", abort)],
    },
    histogramFamily("vllm:time_to_first_token_seconds", labels, statistics.timeToFirstTokenSeconds),
    histogramFamily("vllm:inter_token_latency_seconds", labels, statistics.interTokenSeconds),
    histogramFamily("vllm:e2e_request_latency_seconds", labels, statistics.requestSeconds),
  ];
}

/** Constant 1: the labels are the information. */
export function cacheConfigFamily(settings: SimulatorSettings): MetricFamily {
  const labels: Labels = {
    block_size: String(settings.blockSizeTokens),
    cache_dtype: "auto",
    enable_prefix_caching: "True",
    engine: "0",
    num_gpu_blocks: String(settings.kvCacheBlocks),
  };
  return family("gauge", "vllm:cache_config_info", "Configuration of the KV cache.", labels, 1);
}

export function histogramFamily(name: string, labels: Labels, histogram: Histogram): MetricFamily {
  const counts = histogram.cumulativeCounts;
  const buckets = counts.map((count, index) => {
    const upperBound = histogram.upperBounds[index];
    const le = upperBound === undefined ? "+Inf" : formatBound(upperBound);
    return sample("_bucket", { ...labels, le }, count);
  });
  const total = counts.at(-1) ?? 0;
  return {
    name,
    type: "histogram",
    help: "Distribution over finished observations.",
    samples: [...buckets, sample("_count", labels, total), sample("_sum", labels, histogram.sum)],
  };
}

/**
 * `vllm:lora_requests_info`: which adapters run and wait, as labels, with the time of the observation as value. As in
 * vLLM a combination stays in the text after it has passed, so that only the newest counts.
 */
export class AdapterSeries {
  readonly #seenAtSeconds = new Map<string, Sample>();

  /** Notes the present combination, and gives all. */
  family(engine: Engine, settings: SimulatorSettings): MetricFamily {
    const labels: Labels = {
      max_lora: String(settings.runningAdaptersMax),
      running_lora_adapters: engine.runningAdapters.join(","),
      waiting_lora_adapters: engine.waitingAdapters.join(","),
    };
    const key = JSON.stringify(labels);
    this.#seenAtSeconds.delete(key);
    this.#seenAtSeconds.set(key, sample("", labels, settings.clock.wallMs() / 1000));
    const [oldest] = this.#seenAtSeconds.keys();
    if (this.#seenAtSeconds.size > ADAPTER_SERIES_MAX && oldest !== undefined) this.#seenAtSeconds.delete(oldest);
    // Newest first: of equal times, readers take the first.
    const samples = [...this.#seenAtSeconds.values()].reverse();
    return { name: "vllm:lora_requests_info", type: "gauge", help: "Adapters running and waiting.", samples };
  }
}

function family(type: "gauge" | "counter", name: string, help: string, labels: Labels, value: number): MetricFamily {
  return { name, type, help, samples: [sample("", labels, value)] };
}

function sample(suffix: string, labels: Labels, value: number): Sample {
  return { suffix, labels, value };
}

/** Python writes whole bounds with a decimal point: `le="1.0"`. */
function formatBound(upperBound: number): string {
  return Number.isInteger(upperBound) ? upperBound.toFixed(1) : String(upperBound);
}
