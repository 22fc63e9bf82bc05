/** Parameters of the detectors and the programs that they become, as detectors and as filters. */
import { describe, expect, it } from "vitest";
import { concurrencyDetector } from "../../../../src/plugins/saturation-detectors/concurrency.ts";
import { utilizationDetector } from "../../../../src/plugins/saturation-detectors/utilization.ts";
import { createPlugin } from "../../../support/plugins.ts";

describe("utilization-detector", () => {
  it.each([
    { given: {}, parameters: [5, 0.8, 200, 0] },
    {
      given: {
        queueDepthThreshold: 10,
        kvCacheUtilThreshold: 1,
        metricsStalenessThreshold: "1m30s",
        headroom: 0.25,
      },
      parameters: [10, 1, 90_000, 0.25],
    },
  ])("$given runs with $parameters", ({ given, parameters }) => {
    const plugin = createPlugin(utilizationDetector, given);
    expect(plugin.saturationDetector).toEqual({ op: "utilization", parameters });
    expect(plugin.filter).toEqual({ op: "belowUtilization", parameters });
  });

  it.each([
    { given: { queueDepthThreshold: 0 }, at: "queueDepthThreshold" },
    { given: { kvCacheUtilThreshold: 0 }, at: "kvCacheUtilThreshold" },
    { given: { kvCacheUtilThreshold: 1.01 }, at: "kvCacheUtilThreshold" },
    { given: { metricsStalenessThreshold: "0s" }, at: "metricsStalenessThreshold" },
    { given: { metricsStalenessThreshold: 200 }, at: "metricsStalenessThreshold" },
    { given: { headroom: -0.1 }, at: "headroom" },
  ])("$given is refused", ({ given, at }) => {
    expect(utilizationDetector.parameters.safeParse(given).error?.issues).toMatchObject([{ path: [at] }]);
  });
});

describe("concurrency-detector", () => {
  it.each([
    { given: {}, parameters: [100, 1_000_000, 0, 0] },
    { given: { concurrencyMode: "tokens", maxTokenConcurrency: 5 }, parameters: [100, 5, 1, 0] },
    { given: { concurrencyMode: "hybrid", maxConcurrency: 64, headroom: 0.1 }, parameters: [64, 1_000_000, 2, 0.1] },
  ])("$given runs with $parameters", ({ given, parameters }) => {
    const plugin = createPlugin(concurrencyDetector, given);
    expect(plugin.saturationDetector).toEqual({ op: "concurrency", parameters });
    expect(plugin.filter).toEqual({ op: "belowConcurrency", parameters });
  });

  it.each([
    { given: { maxConcurrency: 0 }, at: "maxConcurrency" },
    { given: { maxTokenConcurrency: -1 }, at: "maxTokenConcurrency" },
    { given: { concurrencyMode: "bytes" }, at: "concurrencyMode" },
    { given: { headroom: -1 }, at: "headroom" },
  ])("$given is refused", ({ given, at }) => {
    expect(concurrencyDetector.parameters.safeParse(given).error?.issues).toMatchObject([{ path: [at] }]);
  });
});
