/**
 * What reading one scrape costs, from the bytes in the receive buffer to an endpoint's metrics. The baseline is the
 * shortest honest way in JavaScript: the text decoded, cut into lines, and the wanted ones taken apart. What a scrape
 * costs with its sockets is measured by `bench/scrape-load.ts`.
 */

import type { EndpointMetrics } from "../../src/framework/endpoint.ts";
import { EngineTable, RememberedLabels } from "../../src/scrape/engine-table.ts";
import { vllm } from "../../src/scrape/engines/vllm.ts";
import { ExpositionScanner } from "../../src/wasm/exposition-scanner.ts";
import { parseLabelBlock } from "../../src/wire/prometheus-text.ts";
import { vllmExposition } from "../expositions.ts";
import type { MicroBench, MicroBenchCase } from "../harness.ts";

const SIZES = [
  { label: "60 KB, as vLLM has it", size: 60_000 },
  { label: "250 KB, four ranks behind one port", size: 250_000 },
];

export const scrapeBench: MicroBench = {
  name: "scrape",
  unit: "exposition",
  cases: (size) => (size === "large" ? SIZES : SIZES.slice(0, 1)).map(scrapeCase),
};

function scrapeCase({ label, size }: (typeof SIZES)[number]): MicroBenchCase {
  const scanner = new ExpositionScanner({ windowCount: 1 });
  const table = new EngineTable(scanner, vllm, false);
  const remembered = new RememberedLabels();
  const body = vllmExposition(size);
  const scan = (): EndpointMetrics => {
    const window = scanner.begin(table.number) ?? 0;
    // As it comes from a socket: up to 64 KiB at a time. The copy stands for the operating system's.
    scanner.feed(window, body, 0, body.length);
    scanner.end(window);
    const metrics = table.read(window, remembered);
    scanner.release(window);
    return metrics;
  };
  return {
    label,
    bytesPerOperation: body.length,
    ...(size === 60_000 && { target: { text: "≤ 25 µs", met: ({ p50Ns }) => p50Ns <= 25_000 } }),
    kernel: () => void scan(),
    baseline: () => void readPlainly(body),
    baselineName: "toString, split, the wanted lines taken apart",
    check: () => {
      const [scanned, plain] = [JSON.stringify(scan()), JSON.stringify(readPlainly(body))];
      if (scanned !== plain) throw new Error(`${scanned} is not ${plain}`);
      return scanned;
    },
  };
}

function readPlainly(body: Buffer): EndpointMetrics {
  const values = new Map<string, { readonly value: number; readonly block: string }>();
  const names = new Set([
    "vllm:num_requests_waiting",
    "vllm:num_requests_running",
    "vllm:kv_cache_usage_perc",
    "vllm:cache_config_info",
  ]);
  for (const line of body.toString("latin1").split("\n")) {
    const name = line.slice(0, line.indexOf("{"));
    if (!names.has(name) || values.has(name)) continue;
    const close = line.lastIndexOf("}");
    values.set(name, { value: Number(line.slice(close + 1)), block: line.slice(name.length, close + 1) });
  }
  const cache = parseLabelBlock(values.get("vllm:cache_config_info")?.block ?? "");
  return {
    queueDepthRequests: values.get("vllm:num_requests_waiting")?.value,
    runningRequests: values.get("vllm:num_requests_running")?.value,
    kvCacheUsageFraction: values.get("vllm:kv_cache_usage_perc")?.value,
    cacheBlockSizeTokens: Number(cache.get("block_size")),
    cacheBlockCount: Number(cache.get("num_gpu_blocks")),
  };
}
