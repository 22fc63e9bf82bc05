/** Expositions as a vLLM server writes them, for benches: the simulator's own, of at least a given size. */
import { Engine } from "../src/simulator/engine.ts";
import { Exposition } from "../src/simulator/exposition.ts";
import { resolveOptions } from "../src/simulator/options.ts";

export function vllmExposition(sizeMin: number): Buffer {
  const settings = resolveOptions({
    model: "meta-llama/Llama-3.1-70B-Instruct",
    expositionSizeMin: sizeMin,
    // So that a reader cannot take the numbers for absent ones.
    metricOverrides: {
      "vllm:num_requests_waiting": 3,
      "vllm:num_requests_running": 17,
      "vllm:kv_cache_usage_perc": 0.625,
    },
  });
  return Buffer.from(new Exposition(new Engine(settings), settings).render(settings.metricOverrides));
}
