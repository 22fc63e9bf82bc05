/** Parameters of the filters that the kernel computes, and the programs that they become. */
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../../src/base/errors.ts";
import { endpointAttribute } from "../../../../src/framework/attribute-keys.ts";
import {
  inFlightLoad,
  kvCacheUsageFraction,
  prefixMatch,
  queueDepthRequests,
} from "../../../../src/framework/attributes.ts";
import type { PluginDefinition } from "../../../../src/framework/plugin.ts";
import { endpointAttributeFilter } from "../../../../src/plugins/filters/endpoint-attribute.ts";
import { headerBasedTestingFilter } from "../../../../src/plugins/filters/header-based-testing.ts";
import { healthFilter } from "../../../../src/plugins/filters/health.ts";
import { modelFilter } from "../../../../src/plugins/filters/model.ts";
import { prefixCacheAffinityFilter } from "../../../../src/plugins/filters/prefix-cache-affinity.ts";
import { utilizationFilter } from "../../../../src/plugins/filters/utilization.ts";
import { fleetView, requestView } from "../../../support/plugin-views.ts";
import { createPlugin, warningsOf } from "../../../support/plugins.ts";

const pathsOf = <Parameters>({ parameters }: PluginDefinition<Parameters>, given: unknown): unknown =>
  parameters.safeParse(given).error?.issues.map(({ path }) => path);

describe("prefix-cache-affinity-filter", () => {
  it.each([
    { given: {}, parameters: [0.8, 0, 18_000, 15_928] },
    {
      given: {
        affinityThreshold: 0.99,
        explorationProbability: 0.01,
        maxTTFTPenaltyMs: 5_000,
        ttftSource: "prefillThroughput",
        peakPrefillThroughput: 40_000,
      },
      parameters: [0.99, 0.01, 5_000, 40_000],
    },
    { given: { affinityThreshold: -1, maxTTFTPenaltyMs: 0 }, parameters: [-1, 0, Infinity, 15_928] },
  ])("$given runs with $parameters", ({ given, parameters }) => {
    expect(createPlugin(prefixCacheAffinityFilter, given).filter).toEqual({ op: "prefixAffinity", parameters });
  });

  it.each([
    { given: { affinityThreshold: 1.01 }, at: "affinityThreshold" },
    { given: { explorationProbability: -0.1 }, at: "explorationProbability" },
    { given: { explorationProbability: 1.1 }, at: "explorationProbability" },
    { given: { maxTTFTPenaltyMs: -1 }, at: "maxTTFTPenaltyMs" },
    { given: { peakPrefillThroughput: 0 }, at: "peakPrefillThroughput" },
    { given: { ttftSource: "guess" }, at: "ttftSource" },
  ])("$given is refused", ({ given, at }) => {
    expect(pathsOf(prefixCacheAffinityFilter, given)).toEqual([[at]]);
  });

  it("predicted latency is known, and not available yet", () => {
    const create = (): unknown => createPlugin(prefixCacheAffinityFilter, { ttftSource: "latencyPredictor" });
    expect(create).toThrow(ConfigError);
    expect(create).toThrow("ttftSource latencyPredictor is known, but not available yet");
    expect(warningsOf(prefixCacheAffinityFilter, { latencyPredictionInfoProducerName: "p" })).toEqual([
      "latencyPredictionInfoProducerName is ignored: ttftSource is prefillThroughput",
    ]);
  });

  it("takes its data from the producers that are named", () => {
    const parsed = prefixCacheAffinityFilter.parameters.parse({
      prefixMatchInfoProducerName: "hashes",
      inFlightLoadProducerName: "load",
    });
    expect(prefixCacheAffinityFilter.consumes?.(parsed).required).toEqual([
      { key: prefixMatch, producer: "hashes" },
      { key: inFlightLoad, producer: "load" },
    ]);
  });
});

describe("utilization-filter", () => {
  it.each([
    {
      name: "one limit",
      given: { conditions: [{ metric: "waiting-queue", maxValue: 8 }] },
      parameters: [Infinity, Infinity, 8, Infinity, 0],
    },
    {
      name: "every limit",
      given: {
        conditions: [
          { metric: "kv-cache-utilization", maxValue: 0.9 },
          { metric: "running-requests", maxValue: 64 },
          { metric: "active-requests", maxValue: 100 },
          { metric: "waiting-queue", maxValue: 0 },
        ],
        fallbackOnEmpty: true,
      },
      parameters: [100, 64, 0, 0.9, 1],
    },
    {
      name: "the lower of two limits of one metric",
      given: {
        conditions: [
          { metric: "running-requests", maxValue: 3 },
          { metric: "running-requests", maxValue: 2 },
        ],
      },
      parameters: [Infinity, 2, Infinity, Infinity, 0],
    },
  ])("$name", ({ given, parameters }) => {
    expect(createPlugin(utilizationFilter, given).filter).toEqual({ op: "utilization", parameters });
  });

  it.each([
    { given: {}, at: ["conditions"] },
    { given: { conditions: [] }, at: ["conditions"] },
    { given: { conditions: [{ metric: "gpu", maxValue: 1 }] }, at: ["conditions", 0, "metric"] },
    { given: { conditions: [{ metric: "waiting-queue" }] }, at: ["conditions", 0, "maxValue"] },
    { given: { conditions: [{ metric: "waiting-queue", maxValue: -1 }] }, at: ["conditions", 0, "maxValue"] },
  ])("$given is refused", ({ given, at }) => {
    expect(pathsOf(utilizationFilter, given)).toEqual([at]);
  });

  it("needs what its conditions look at, each once", () => {
    const parsed = utilizationFilter.parameters.parse({
      conditions: [
        { metric: "waiting-queue", maxValue: 8 },
        { metric: "waiting-queue", maxValue: 9 },
        { metric: "kv-cache-utilization", maxValue: 1 },
        { metric: "active-requests", maxValue: 1 },
      ],
      inFlightLoadProducerName: "load",
    });
    expect(utilizationFilter.consumes?.(parsed).required).toEqual([
      { key: queueDepthRequests },
      { key: kvCacheUsageFraction },
      { key: inFlightLoad, producer: "load" },
    ]);
  });
});

describe("endpoint-attribute-filter", () => {
  const given = (operator: string, changes: object = {}): object => ({
    attribute: "temperature",
    producer: "extractor",
    algorithm: { type: "threshold", threshold: { operator, value: 80.5 } },
    ...changes,
  });

  it.each([
    { operator: "LessThan", code: 0 },
    { operator: "LessThanOrEqual", code: 1 },
    { operator: "GreaterThan", code: 2 },
    { operator: "GreaterThanOrEqual", code: 3 },
    { operator: "Equal", code: 4 },
  ])("$operator compares with operator $code", ({ operator, code }) => {
    expect(createPlugin(endpointAttributeFilter, given(operator)).filter).toEqual({
      op: "attribute",
      parameters: [code, 80.5, 1, 0],
      columns: [{ kind: "attribute", attribute: "temperature", producer: "extractor" }],
    });
  });

  it("may drop what has no value, keep all when none passes, and compares with 0 without a value", () => {
    const changes = {
      onMissing: "Fail",
      fallbackOnEmpty: true,
      algorithm: { type: "threshold", threshold: { operator: "Equal" } },
    };
    expect(createPlugin(endpointAttributeFilter, given("Equal", changes)).filter).toMatchObject({
      parameters: [4, 0, 0, 1],
    });
  });

  it("needs the metric from the plugin that is named", () => {
    const parsed = endpointAttributeFilter.parameters.parse(given("Equal"));
    expect(endpointAttributeFilter.consumes?.(parsed).required).toEqual([
      { key: endpointAttribute("temperature"), producer: "extractor" },
    ]);
  });

  it.each([
    { name: "no attribute", changes: { attribute: "" }, at: ["attribute"] },
    { name: "no producer", changes: { producer: undefined }, at: ["producer"] },
    { name: "an unknown answer to missing", changes: { onMissing: "Keep" }, at: ["onMissing"] },
    { name: "another algorithm", changes: { algorithm: { type: "topK" } }, at: ["algorithm", "type"] },
    { name: "no threshold", changes: { algorithm: { type: "threshold" } }, at: ["algorithm", "threshold"] },
  ])("$name is refused", ({ changes, at }) => {
    expect(pathsOf(endpointAttributeFilter, given("Equal", changes))).toContainEqual(at);
  });

  it("an unknown operator is refused", () => {
    const at = ["algorithm", "threshold", "operator"];
    expect(pathsOf(endpointAttributeFilter, given("lessThan"))).toEqual([at]);
  });
});

describe("header-based-testing-filter", () => {
  const fleet = fleetView([
    { address: "10.0.0.1", port: 8000 },
    { address: "10.0.0.1", port: 8001 },
    { address: "fd00::2", port: 8000 },
  ]);
  const plugin = createPlugin(headerBasedTestingFilter);
  const slotsOf = (list?: string): unknown => {
    const { filter } = plugin;
    const mask = filter !== undefined && "requestMask" in filter ? filter.requestMask : undefined;
    const request = requestView(list === undefined ? {} : { "test-epp-endpoint-selection": list });
    return mask?.(request, fleet)?.map(({ slot }) => slot);
  };

  it("keeps what its header names and nothing else", () => {
    expect(plugin.headers).toEqual(["test-epp-endpoint-selection"]);
    expect(plugin.filter).toMatchObject({ op: "requestMask" });
  });

  it.each([
    { name: "an address with port", list: "10.0.0.1:8001", slots: [1] },
    { name: "an address stands for all its ports", list: "10.0.0.1", slots: [0, 1] },
    { name: "the order of the list", list: "10.0.0.1:8001, 10.0.0.1:8000", slots: [1, 0] },
    { name: "IPv6 with port", list: "[fd00::2]:8000", slots: [2] },
    { name: "IPv6 alone", list: "fd00::2", slots: [2] },
    { name: "blanks and empty parts", list: " ,10.0.0.1:8000 ,,", slots: [0] },
    { name: "a server that is not there", list: "10.0.0.9", slots: [] },
    { name: "part of an address", list: "10.0.0", slots: [] },
    { name: "an empty list", list: "", slots: [] },
    { name: "no header", list: undefined, slots: undefined },
  ])("$name: $slots", ({ list, slots }) => {
    expect(slotsOf(list)).toEqual(slots);
  });
});

describe("filters of our own", () => {
  it.each([
    { definition: modelFilter, op: "servesModel" },
    { definition: healthFilter, op: "healthy" },
  ])("$definition.type runs $op", ({ definition, op }) => {
    expect(createPlugin(definition).filter).toEqual({ op });
  });
});
