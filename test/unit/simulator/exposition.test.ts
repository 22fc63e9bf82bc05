import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { Engine, type EngineRequest } from "../../../src/simulator/engine.ts";
import { Exposition } from "../../../src/simulator/exposition.ts";
import { formatFamily, formatNumber } from "../../../src/simulator/exposition-format.ts";
import { resolveOptions, type SimulatorOptions } from "../../../src/simulator/options.ts";
import { metricValue } from "./support.ts";

/** An engine with one place: the first request runs, the others wait. */
function engineWithExposition(options: SimulatorOptions = {}) {
  const clock = new ManualClock();
  const settings = resolveOptions({
    clock,
    model: "m",
    adapters: ["red", "blue"],
    runningRequestsMax: 1,
    kvCacheBlocks: 10,
    contextTokensMax: 160,
    prefillOverheadMs: 100,
    prefillTokenMs: 0,
    interTokenMs: 30,
    ...options,
  });
  const engine = new Engine(settings);
  const exposition = new Exposition(engine, settings);
  const submit = (adapter?: string) => {
    const reply: EngineRequest["reply"] = { text: "tok ".repeat(3), tokenCount: 3, finishReason: "stop" };
    const prompt = Buffer.alloc(4 * 40, "p");
    const request = { model: adapter ?? "m", adapter, cacheSalt: "", prompt, replyPrefix: "", reply };
    return engine.submit(request, { onToken() {}, onFinished() {} });
  };
  return { clock, engine, exposition, submit };
}

describe("values", () => {
  test("gauges show the present: running, waiting, KV cache in use", () => {
    const { exposition, submit } = engineWithExposition();
    submit();
    submit();
    submit();
    const text = exposition.render({});
    const labels = ['engine="0"', 'model_name="m"'];
    expect(metricValue(text, "vllm:num_requests_running", ...labels)).toBe(1);
    expect(metricValue(text, "vllm:num_requests_waiting", ...labels)).toBe(2);
    expect(metricValue(text, "vllm:kv_cache_usage_perc", ...labels)).toBe(0.3);
  });

  test("counters and histograms show what has happened", () => {
    const { exposition, submit, clock } = engineWithExposition();
    submit();
    submit();
    clock.advance(10_000);
    const text = exposition.render({});
    expect(metricValue(text, "vllm:prefix_cache_queries_total")).toBe(80);
    expect(metricValue(text, "vllm:prefix_cache_hits_total")).toBe(32);
    expect(metricValue(text, "vllm:prompt_tokens_total")).toBe(80);
    expect(metricValue(text, "vllm:generation_tokens_total")).toBe(6);
    expect(metricValue(text, "vllm:request_success_total", 'finished_reason="stop"')).toBe(2);
    expect(metricValue(text, "vllm:request_success_total", 'finished_reason="abort"')).toBe(0);
    // 0.1 s for the first; the second waits for the first's 0.16 s.
    const firstToken = "vllm:time_to_first_token_seconds";
    expect(metricValue(text, `${firstToken}_count`)).toBe(2);
    expect(metricValue(text, `${firstToken}_sum`)).toBeCloseTo(0.36, 9);
    expect(metricValue(text, `${firstToken}_bucket`, 'le="0.08"')).toBe(0);
    expect(metricValue(text, `${firstToken}_bucket`, 'le="0.1"')).toBe(1);
    expect(metricValue(text, `${firstToken}_bucket`, 'le="0.5"')).toBe(2);
    expect(metricValue(text, `${firstToken}_bucket`, 'le="+Inf"')).toBe(2);
    expect(metricValue(text, "vllm:inter_token_latency_seconds_count")).toBe(4);
    expect(metricValue(text, "vllm:e2e_request_latency_seconds_sum")).toBeCloseTo(0.16 + 0.32, 9);
  });

  test("the cache configuration stands in labels", () => {
    const text = engineWithExposition().exposition.render({});
    expect(metricValue(text, "vllm:cache_config_info", 'block_size="16"', 'num_gpu_blocks="10"')).toBe(1);
  });
});

describe("adapters", () => {
  test("the series with the greatest time tells which run and wait now", () => {
    const { exposition, submit, clock } = engineWithExposition();
    const name = "vllm:lora_requests_info";
    submit("red");
    submit("blue");
    submit("red");
    const before = exposition.render({});
    const early = metricValue(before, name, 'running_lora_adapters="red"', 'waiting_lora_adapters="blue,red"');
    clock.advance(10_000);
    const after = exposition.render({});
    const late = metricValue(after, name, 'running_lora_adapters=""', 'waiting_lora_adapters=""', 'max_lora="4"');
    expect(late - early).toBe(10);
    // The passed combination stays.
    expect(metricValue(after, name, 'running_lora_adapters="red"')).toBe(early);
  });

  test("an engine without adapters has no such series", () => {
    expect(engineWithExposition({ adapters: [] }).exposition.render({})).not.toContain("lora");
  });
});

describe("overrides", () => {
  test("replace values, hide metrics and add some of other engines", () => {
    const { exposition } = engineWithExposition();
    const overrides = {
      "vllm:num_requests_waiting": 70,
      "vllm:kv_cache_usage_perc": "absent",
      "sglang:num_queue_reqs": 3,
    };
    const text = exposition.render(overrides as Record<string, number | "absent">);
    expect(metricValue(text, "vllm:num_requests_waiting")).toBe(70);
    expect(metricValue(text, "vllm:num_requests_running")).toBe(0);
    expect(text).not.toContain("kv_cache_usage_perc");
    expect(metricValue(text, "sglang:num_queue_reqs")).toBe(3);
    expect(metricValue(exposition.render({}), "vllm:num_requests_waiting")).toBe(0);
  });
});

describe("padding", () => {
  test("brings the text to the size asked for, before the families with information in labels", () => {
    const sizeMin = 60_000;
    const text = engineWithExposition({ expositionSizeMin: sizeMin }).exposition.render({});
    expect(text.length).toBeGreaterThanOrEqual(sizeMin);
    expect(text.length).toBeLessThan(sizeMin + 4000);
    expect(text.trimEnd().split("\n").at(-1)).toMatch(/^vllm:cache_config_info/);
  });
});

describe("the text format", () => {
  test("every line is a comment or a series, every family has one help and one type, no name comes twice", () => {
    const text = engineWithExposition({ expositionSizeMin: 60_000 }).exposition.render({});
    const lines = text.trimEnd().split("\n");
    const series = /^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-z_]+="[^"]*",?)+\})? [0-9.e+]+$/;
    for (const line of lines) expect(line).toMatch(line.startsWith("#") ? /^# (HELP|TYPE) \S+ ./ : series);
    for (const keyword of ["HELP", "TYPE"]) {
      const names = lines.filter((line) => line.startsWith(`# ${keyword} `)).map((line) => line.split(" ")[2]);
      expect(new Set(names).size).toBe(names.length);
      expect(names.length).toBeGreaterThan(20);
    }
  });

  test("labels are sorted and escaped; counters have a time of creation", () => {
    const samples = [{ suffix: "", labels: { model_name: 'a"b\\c\nd', engine: "0" }, value: 2 }];
    expect(formatFamily({ name: "x_total", type: "counter", help: "Things.", samples }, 1.5)).toBe(
      [
        "# HELP x_total Things.",
        "# TYPE x_total counter",
        String.raw`x_total{engine="0",model_name="a\"b\\c\nd"} 2.0`,
        "# HELP x_created Things.",
        "# TYPE x_created gauge",
        String.raw`x_created{engine="0",model_name="a\"b\\c\nd"} 1.5`,
        "",
      ].join("\n"),
    );
  });

  // The forms of Python's prometheus_client, as captured expositions of vLLM show them.
  test.each([
    [0, "0.0"],
    [3, "3.0"],
    [0.25, "0.25"],
    [999_999, "999999.0"],
    [1_000_000, "1e+06"],
    [1_788_626_454.6318872, "1.7886264546318872e+09"],
    [12_345_678_901_234, "1.2345678901234e+13"],
    [-3, "-3.0"],
    [Number.NaN, "NaN"],
    [Number.POSITIVE_INFINITY, "+Inf"],
    [Number.NEGATIVE_INFINITY, "-Inf"],
  ])("%d is written %s", (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });
});
