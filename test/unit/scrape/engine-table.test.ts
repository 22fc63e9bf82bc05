/**
 * What the expositions of each engine family say. The texts have the names, types and labels of the engines' own
 * metrics; shapes of vLLM, SGLang and Triton are those of their documentation.
 */
import { describe, expect, it } from "vitest";
import type { EngineMetrics } from "../../../src/framework/data-sources.ts";
import type { EndpointMetrics } from "../../../src/framework/endpoint.ts";
import { EngineTable, hasLoad, RememberedLabels } from "../../../src/scrape/engine-table.ts";
import { BUILTIN_ENGINES } from "../../../src/scrape/engines/built-in.ts";
import { ExpositionScanner } from "../../../src/wasm/exposition-scanner.ts";

function reader(engine: EngineMetrics, sumsSeries = false): (text: string) => EndpointMetrics {
  const scanner = new ExpositionScanner({ windowCount: 1 });
  const table = new EngineTable(scanner, engine, sumsSeries);
  const remembered = new RememberedLabels();
  return (text) => {
    const window = scanner.begin(table.number) as number;
    const body = Buffer.from(text);
    scanner.feed(window, body, 0, body.length);
    scanner.end(window);
    const metrics = table.read(window, remembered);
    scanner.release(window);
    return metrics;
  };
}

function engineNamed(name: string): EngineMetrics {
  const engine = BUILTIN_ENGINES.find((other) => other.name === name);
  if (engine === undefined) throw new Error(`there is no engine ${name}`);
  return engine;
}

const read = (name: string, text: string, sumsSeries = false): EndpointMetrics =>
  reader(engineNamed(name), sumsSeries)(text);

const gauge = (name: string, ...series: string[]): string =>
  `# HELP ${name} Something.\n# TYPE ${name} gauge\n${series.map((one) => `${name}${one}\n`).join("")}`;

const UNKNOWN = {
  queueDepthRequests: undefined,
  runningRequests: undefined,
  kvCacheUsageFraction: undefined,
  adapters: undefined,
  cacheBlockSizeTokens: undefined,
  cacheBlockCount: undefined,
  attributes: undefined,
};

describe("an engine's exposition", () => {
  it("vLLM", () => {
    const model = 'engine="0",model_name="m"';
    const text =
      gauge("vllm:num_requests_running", `{${model}} 4.0`) +
      gauge("vllm:num_requests_waiting", `{${model}} 3.0`) +
      gauge("vllm:num_requests_waiting_by_reason", `{${model},reason="capacity"} 9.0`) +
      gauge("vllm:kv_cache_usage_perc", `{${model}} 0.5`) +
      gauge(
        "vllm:lora_requests_info",
        '{max_lora="4",running_lora_adapters="a, b,a",waiting_lora_adapters=""} 1.7e+09',
        '{max_lora="2",running_lora_adapters="b",waiting_lora_adapters="c"} 1.8e+09',
      ) +
      gauge(
        "vllm:cache_config_info",
        '{block_size="16",cache_dtype="auto",num_cpu_blocks="None",num_gpu_blocks="27000"} 1.0',
      );
    expect(read("vllm", text)).toEqual({
      ...UNKNOWN,
      queueDepthRequests: 3,
      runningRequests: 4,
      kvCacheUsageFraction: 0.5,
      adapters: { running: ["b"], waiting: ["c"], max: 2 },
      cacheBlockSizeTokens: 16,
      cacheBlockCount: 27_000,
    });
  });

  it("SGLang", () => {
    const text =
      gauge("sglang:num_running_reqs", '{model_name="m",tp_rank="0"} 7.0') +
      gauge("sglang:num_queue_reqs", '{model_name="m",tp_rank="0"} 2.0') +
      gauge("sglang:token_usage", '{model_name="m",tp_rank="0"} 0.28') +
      gauge("sglang:cache_config_info", '{num_pages="1000",page_size="64"} 1.0');
    expect(read("sglang", text)).toEqual({
      ...UNKNOWN,
      queueDepthRequests: 2,
      runningRequests: 7,
      kvCacheUsageFraction: 0.28,
      cacheBlockSizeTokens: 64,
      cacheBlockCount: 1_000,
    });
  });

  it("trtllm-serve", () => {
    const text =
      gauge("trtllm_num_requests_waiting", " 1") +
      gauge("trtllm_num_requests_running", " 2") +
      gauge("trtllm_kv_cache_utilization", " 0.25") +
      gauge("trtllm_kv_cache_tokens_per_block", " 32") +
      gauge("trtllm_kv_cache_max_blocks", " 5000");
    expect(read("trtllm-serve", text)).toEqual({
      ...UNKNOWN,
      queueDepthRequests: 1,
      runningRequests: 2,
      kvCacheUsageFraction: 0.25,
      cacheBlockSizeTokens: 32,
      cacheBlockCount: 5_000,
    });
  });

  it("Triton with TensorRT-LLM: one name, told apart by a label", () => {
    const of = (label: string, type: string, value: number): string =>
      `{model="m",${label}="${type}",version="1"} ${value}`;
    const request = (type: string, value: number): string => of("request_type", type, value);
    const cache = (type: string, value: number): string => of("kv_cache_block_type", type, value);
    const text =
      gauge("nv_trt_llm_request_metrics", request("max", 512), request("active", 9), request("scheduled", 5)) +
      `nv_trt_llm_request_metrics${request("waiting", 4)}\n` +
      gauge("nv_trt_llm_kv_cache_block_metrics", cache("fraction", 0.75), cache("tokens_per", 64), cache("used", 30)) +
      `nv_trt_llm_kv_cache_block_metrics${cache("max", 400)}\n`;
    expect(read("triton-tensorrt-llm", text)).toEqual({
      ...UNKNOWN,
      queueDepthRequests: 4,
      runningRequests: 5,
      kvCacheUsageFraction: 0.75,
      cacheBlockSizeTokens: 64,
      cacheBlockCount: 400,
    });
  });

  it("Triton with another backend", () => {
    const text =
      gauge("nv_inference_pending_request_count", '{model="m",version="1"} 6') +
      '# TYPE nv_inference_exec_count counter\nnv_inference_exec_count{model="m",version="1"} 11\n';
    expect(read("triton", text)).toEqual({ ...UNKNOWN, queueDepthRequests: 6, runningRequests: 11 });
  });

  it("one engine's names say nothing to another", () => {
    const text = gauge("vllm:num_requests_waiting", " 1");
    for (const { name } of BUILTIN_ENGINES) {
      expect(hasLoad(read(name, text)), name).toBe(name === "vllm");
    }
  });
});

describe("values", () => {
  const load = (waiting: string, running: string, usage: string): string =>
    gauge("vllm:num_requests_waiting", ` ${waiting}`) +
    gauge("vllm:num_requests_running", ` ${running}`) +
    gauge("vllm:kv_cache_usage_perc", ` ${usage}`);

  it.each([
    { name: "zeros", text: load("0.0", "0", "0e0"), expected: [0, 0, 0] },
    { name: "a cache that is more than full", text: load("0", "0", "1.25"), expected: [0, 0, 1.25] },
    { name: "not a number", text: load("NaN", "1", "NaN"), expected: [undefined, 1, undefined] },
    { name: "an infinite queue", text: load("+Inf", "-Inf", "0"), expected: [undefined, undefined, 0] },
    {
      name: "more than the columns can hold",
      text: load("1e39", "3.5e38", "1e300"),
      expected: [undefined, undefined, undefined],
    },
    { name: "less than nothing", text: load("-1", "-0.5", "0"), expected: [undefined, undefined, 0] },
    { name: "untyped", text: "vllm:num_requests_waiting 3\n", expected: [undefined, undefined, undefined] },
    { name: "nothing", text: "", expected: [undefined, undefined, undefined] },
  ])("$name", ({ text, expected }) => {
    const { queueDepthRequests, runningRequests, kvCacheUsageFraction } = read("vllm", text);
    expect([queueDepthRequests, runningRequests, kvCacheUsageFraction]).toEqual(expected);
  });

  const ranks =
    gauge("vllm:num_requests_waiting", '{engine="0"} 3', '{engine="1"} 5') +
    gauge("vllm:num_requests_running", '{engine="0"} 1', '{engine="1"} 2') +
    gauge("vllm:kv_cache_usage_perc", '{engine="0"} 0.25', '{engine="1"} 0.75');

  it.each([
    { sums: false, expected: [3, 1, 0.25] },
    { sums: true, expected: [8, 3, 0.5] },
  ])("of several ranks behind one port, summed: $sums", ({ sums, expected }) => {
    const { queueDepthRequests, runningRequests, kvCacheUsageFraction } = read("vllm", ranks, sums);
    expect([queueDepthRequests, runningRequests, kvCacheUsageFraction]).toEqual(expected);
  });

  it.each([
    { labels: '{block_size="16",num_gpu_blocks="None"}', size: 16, count: undefined },
    { labels: '{block_size="0",num_gpu_blocks="-1"}', size: undefined, count: undefined },
    { labels: "{}", size: undefined, count: undefined },
    { labels: "", size: undefined, count: undefined },
  ])("a cache configuration that says $labels", ({ labels, size, count }) => {
    const { cacheBlockSizeTokens, cacheBlockCount } = read("vllm", gauge("vllm:cache_config_info", `${labels} 1`));
    expect([cacheBlockSizeTokens, cacheBlockCount]).toEqual([size, count]);
  });

  it("custom metrics are read under their names; those that are missing are left out", () => {
    const engine: EngineMetrics = {
      ...engineNamed("vllm"),
      attributes: [
        { attribute: "p90", series: { name: "wait", labels: { q: "0.9" } } },
        { attribute: "p50", series: { name: "wait", labels: { q: "0.5" } } },
        { attribute: "temperature", series: { name: "temperature" } },
      ],
    };
    const text = gauge("wait", '{q="0.5"} 2', '{q="0.9"} 7') + gauge("temperature", " -3");
    expect(reader(engine)(text).attributes).toEqual(
      new Map([
        ["p90", 7],
        ["p50", 2],
        ["temperature", -3],
      ]),
    );
    expect(reader(engine)("").attributes).toEqual(new Map());
  });

  it("labels that stay the same give the same objects, others do not", () => {
    const text = (adapters: string): string =>
      gauge("vllm:lora_requests_info", `{running_lora_adapters="${adapters}"} 1`);
    const readNext = reader(engineNamed("vllm"));
    const first = readNext(text("a")).adapters;
    expect(first).toEqual({ running: ["a"], waiting: [], max: undefined });
    expect(readNext(text("a")).adapters).toBe(first);
    expect(readNext(text("b")).adapters).toEqual({ running: ["b"], waiting: [], max: undefined });
    expect(readNext("").adapters).toBeUndefined();
  });
});
