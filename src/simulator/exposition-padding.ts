/**
 * Histograms that say nothing, to bring `/metrics` to the size of a real engine's: vLLM's remaining families first,
 * then those of its HTTP layer, one per handler. Readers must get past them.
 */
import { formatFamily } from "./exposition-format.ts";
import { Histogram } from "./histogram.ts";
import { histogramFamily } from "./metric-families.ts";

/** Text of whole families, of at least `sizeMin` bytes. */
export function exposePadding(sizeMin: number, modelName: string, createdSeconds: number): string {
  let text = "";
  for (let index = 0; text.length < sizeMin; index++) {
    const engineName = ENGINE_HISTOGRAMS[index];
    const labels = { engine: "0", model_name: modelName };
    const family =
      engineName === undefined
        ? histogramFamily(`http_handler_${index}_duration_seconds`, { handler: `/v1/handler-${index}` }, EMPTY)
        : histogramFamily(engineName, labels, EMPTY);
    text += formatFamily(family, createdSeconds);
  }
  return text;
}

const ENGINE_HISTOGRAMS = [
  "vllm:iteration_tokens_total",
  "vllm:request_decode_time_seconds",
  "vllm:request_generation_tokens",
  "vllm:request_inference_time_seconds",
  "vllm:request_max_num_generation_tokens",
  "vllm:request_params_max_tokens",
  "vllm:request_params_n",
  "vllm:request_prefill_time_seconds",
  "vllm:request_prompt_tokens",
  "vllm:request_queue_time_seconds",
  "vllm:request_time_per_output_token_seconds",
];

const EMPTY = new Histogram([
  0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
]);
