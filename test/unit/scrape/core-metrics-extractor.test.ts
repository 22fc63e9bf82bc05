import { describe, expect, it } from "vitest";
import { endpointAttribute } from "../../../src/framework/attribute-keys.ts";
import type { CoreMetricsExtractor, EngineMetrics } from "../../../src/framework/data-sources.ts";
import { coreMetricsExtractor } from "../../../src/scrape/core-metrics-extractor.ts";
import { createPlugin } from "../../support/plugins.ts";

function create(parameters: unknown): CoreMetricsExtractor {
  return createPlugin(coreMetricsExtractor, parameters).extractor as CoreMetricsExtractor;
}

const engine = (extractor: CoreMetricsExtractor, name: string): EngineMetrics | undefined =>
  extractor.engines.find((other) => other.name === name);

describe("core metrics extractor", () => {
  it("knows five engines, by the label or its older name; without one vLLM", () => {
    const extractor = create({});
    expect(extractor.engines.map(({ name }) => name)).toEqual([
      "vllm",
      "sglang",
      "trtllm-serve",
      "triton-tensorrt-llm",
      "triton",
    ]);
    expect(extractor).toMatchObject({
      kind: "core-metrics",
      engineLabelKeys: ["llm-d.ai/engine-type", "inference.networking.k8s.io/engine-type"],
      defaultEngine: "vllm",
      sumsSeries: false,
    });
  });

  it("an engine of its own has what it says, and only that", () => {
    const extractor = create({
      engineLabelKey: "engine",
      defaultEngine: "mine",
      sumSeries: true,
      engineConfigs: [
        {
          name: "mine",
          queuedRequestsSpec: "q{kind=waiting}",
          runningRequestsSpec: "r",
          kvUsageSpec: "",
          loraSpec: "l",
          cacheInfoSpec: "c",
          cacheBlockSizeLabelName: "size",
          customMetrics: [{ attributeKey: "queue-time", metricSpec: 'm{q="0.9"}' }],
        },
      ],
    });
    expect(extractor).toMatchObject({ defaultEngine: "mine", sumsSeries: true });
    expect(extractor.engineLabelKeys[0]).toBe("engine");
    expect(engine(extractor, "mine")).toEqual({
      name: "mine",
      queueDepthRequests: { name: "q", labels: { kind: "waiting" } },
      runningRequests: { name: "r" },
      kvCacheUsageFraction: undefined,
      adapters: { name: "l" },
      cacheInfo: { series: { name: "c" }, blockSizeLabel: "size", blockCountLabel: "num_gpu_blocks" },
      cacheBlockSizeTokens: undefined,
      cacheBlockCount: undefined,
      attributes: [{ attribute: "queue-time", series: { name: "m", labels: { q: "0.9" } } }],
    });
  });

  it("produces the attributes of its custom metrics", () => {
    const customMetrics = [
      { attributeKey: "a", metricSpec: "m" },
      { attributeKey: "b", metricSpec: "n" },
    ];
    const parameters = coreMetricsExtractor.parameters.parse({ engineConfigs: [{ name: "mine", customMetrics }] });
    expect(coreMetricsExtractor.produces?.(parameters)).toEqual([endpointAttribute("a"), endpointAttribute("b")]);
  });

  it("an engine with a built-in name replaces that engine as a whole", () => {
    const extractor = create({ engineConfigs: [{ name: "vllm", queuedRequestsSpec: "q" }] });
    expect(extractor.engines).toHaveLength(5);
    expect(engine(extractor, "vllm")).toMatchObject({ queueDepthRequests: { name: "q" }, runningRequests: undefined });
  });

  const one = { name: "a", queuedRequestsSpec: "q" };
  it.each([
    { parameters: { engineConfigs: [{ ...one, name: "default" }] }, fault: 'an engine cannot be named "default"' },
    { parameters: { engineConfigs: [one, one] }, fault: 'engine "a" is configured twice' },
    { parameters: { defaultEngine: "b" }, fault: 'defaultEngine "b" is no engine; engines: vllm, sglang' },
    {
      parameters: { engineConfigs: [{ ...one, kvUsageSpec: "k{x}" }] },
      fault: 'engine "a", kvUsageSpec: "k{x}" is no series: "x" has no "="',
    },
    {
      parameters: { engineConfigs: [{ ...one, customMetrics: [{ attributeKey: "m", metricSpec: "" }] }] },
      fault: 'engine "a": "m" has no metricSpec',
    },
    {
      parameters: {
        engineConfigs: [{ ...one, customMetrics: Array(2).fill({ attributeKey: "m", metricSpec: "m" }) }],
      },
      fault: 'engine "a": customMetrics has "m" twice',
    },
  ])("refuses with $fault", ({ parameters, fault }) => {
    expect(() => create(parameters)).toThrow(fault);
  });

  it("unknown parameters are faults, in engines too", () => {
    expect(coreMetricsExtractor.parameters.safeParse({ engines: [] }).success).toBe(false);
    expect(coreMetricsExtractor.parameters.safeParse({ engineConfigs: [{ ...one, queue: "q" }] }).success).toBe(false);
  });
});
