/** Parameters of the scorers, the programs that they become, and what they need. Scores are tested by scorer. */
import { describe, expect, it } from "vitest";
import { endpointAttribute } from "../../../../src/framework/attribute-keys.ts";
import * as keys from "../../../../src/framework/attributes.ts";
import type { PluginDefinition } from "../../../../src/framework/plugin.ts";
import { activeRequestScorer } from "../../../../src/plugins/scorers/active-request.ts";
import { contextLengthAware } from "../../../../src/plugins/scorers/context-length-aware.ts";
import { endpointAttributeScorer } from "../../../../src/plugins/scorers/endpoint-attribute.ts";
import { headerLabelAffinityScorer } from "../../../../src/plugins/scorers/header-label-affinity.ts";
import { kvCacheUtilizationScorer } from "../../../../src/plugins/scorers/kv-cache-utilization.ts";
import { loadAwareScorer } from "../../../../src/plugins/scorers/load-aware.ts";
import { loraAffinityScorer } from "../../../../src/plugins/scorers/lora-affinity.ts";
import { noHitLruScorer } from "../../../../src/plugins/scorers/no-hit-lru.ts";
import { prefixCacheScorer } from "../../../../src/plugins/scorers/prefix-cache.ts";
import { queueDepthScorer } from "../../../../src/plugins/scorers/queue-depth.ts";
import { runningRequestsScorer } from "../../../../src/plugins/scorers/running-requests.ts";
import { tokenLoadScorer } from "../../../../src/plugins/scorers/token-load.ts";
import { fleetView, requestView } from "../../../support/plugin-views.ts";
import { createPlugin, warningsOf } from "../../../support/plugins.ts";

const pathsOf = <Parameters>({ parameters }: PluginDefinition<Parameters>, given: unknown): unknown =>
  parameters.safeParse(given).error?.issues.map(({ path }) => path);

describe("programs of scorers", () => {
  it.each([
    { definition: queueDepthScorer, program: { op: "queueDepth" } },
    { definition: runningRequestsScorer, program: { op: "runningRequests" } },
    { definition: kvCacheUtilizationScorer, program: { op: "kvCacheUtilization" } },
    { definition: loraAffinityScorer, program: { op: "loraAffinity" } },
    { definition: loadAwareScorer, program: { op: "loadAware", parameters: [128] } },
    { definition: activeRequestScorer, program: { op: "activeRequest", parameters: [0, 1] } },
    { definition: tokenLoadScorer, program: { op: "tokenLoad", parameters: [4_194_304] } },
    { definition: prefixCacheScorer, program: { op: "prefixCache", parameters: [0, 8_192] } },
    { definition: noHitLruScorer, program: { op: "noHitLru", parameters: [1_024] } },
  ])("$definition.type by default: $program", ({ definition, program }) => {
    expect(createPlugin(definition as PluginDefinition).scorer).toEqual(program);
    expect(warningsOf(definition as PluginDefinition, {})).toEqual([]);
  });

  it.each([
    { definition: loadAwareScorer, given: { threshold: 64 }, parameters: [64] },
    { definition: loadAwareScorer, given: { threshold: 0 }, parameters: [128], warning: "threshold 0 is not above 0" },
    { definition: loadAwareScorer, given: { threshold: -3 }, parameters: [128], warning: "threshold -3 is not above" },
    { definition: activeRequestScorer, given: { idleThreshold: 2, maxBusyScore: 0.5 }, parameters: [2, 0.5] },
    { definition: activeRequestScorer, given: { maxBusyScore: 0 }, parameters: [0, 0] },
    {
      definition: activeRequestScorer,
      given: { maxBusyScore: 1.5 },
      parameters: [0, 1],
      warning: "maxBusyScore 1.5 is not in 0 to 1; 1 is used",
    },
    { definition: activeRequestScorer, given: { maxBusyScore: -1 }, parameters: [0, 1], warning: "maxBusyScore -1" },
    { definition: activeRequestScorer, given: { idleThreshold: -1 }, parameters: [0, 1], warning: "idleThreshold -1" },
    {
      definition: activeRequestScorer,
      given: { requestTimeout: "2m" },
      parameters: [0, 1],
      warning: "parameter requestTimeout is deprecated",
    },
    { definition: tokenLoadScorer, given: { queueThresholdTokens: 1_000 }, parameters: [1_000] },
    {
      definition: tokenLoadScorer,
      given: { queueThresholdTokens: 0 },
      parameters: [4_194_304],
      warning: "queueThresholdTokens 0 is not above 0; 4194304 is used",
    },
    { definition: noHitLruScorer, given: { lruSize: 512 }, parameters: [512] },
    { definition: noHitLruScorer, given: { lruSize: 0 }, parameters: [1_024], warning: "lruSize 0 is not above 0" },
    {
      definition: noHitLruScorer,
      given: { prefixPluginName: "p" },
      parameters: [1_024],
      warning: "parameter prefixPluginName is deprecated",
    },
  ])("$definition.type of $given runs with $parameters", ({ definition, given, parameters, warning }) => {
    expect(createPlugin(definition as PluginDefinition, given).scorer).toMatchObject({ parameters });
    const expected = warning === undefined ? [] : [expect.stringContaining(warning)];
    expect(warningsOf(definition as PluginDefinition, given)).toEqual(expected);
  });

  it.each([
    { definition: loadAwareScorer, given: { threshold: 1.5 }, at: "threshold" },
    { definition: activeRequestScorer, given: { idleThreshold: 0.5 }, at: "idleThreshold" },
    { definition: activeRequestScorer, given: { requestTimeout: 5 }, at: "requestTimeout" },
    { definition: tokenLoadScorer, given: { queueThresholdTokens: "1" }, at: "queueThresholdTokens" },
    { definition: noHitLruScorer, given: { lruSize: 1.5 }, at: "lruSize" },
    { definition: headerLabelAffinityScorer, given: { headerName: "", labelKey: "a" }, at: "headerName" },
    { definition: headerLabelAffinityScorer, given: { headerName: "x-a" }, at: "labelKey" },
    { definition: contextLengthAware, given: { label: "" }, at: "label" },
    { definition: contextLengthAware, given: { enableFiltering: "yes" }, at: "enableFiltering" },
  ])("$definition.type refuses $given", ({ definition, given, at }) => {
    expect(pathsOf(definition as PluginDefinition, given)).toEqual([[at]]);
  });

  it.each([
    { definition: prefixCacheScorer, parameter: "prefixMatchInfoProducerName", key: keys.prefixMatch },
    { definition: noHitLruScorer, parameter: "prefixMatchInfoProducerName", key: keys.prefixMatch },
    { definition: activeRequestScorer, parameter: "inFlightLoadProducerName", key: keys.inFlightLoad },
    { definition: tokenLoadScorer, parameter: "inFlightLoadProducerName", key: keys.inFlightLoad },
  ])("$definition.type takes its data from $parameter", ({ definition, parameter, key }) => {
    const { parameters, consumes } = definition as PluginDefinition;
    const neededBy = (given: unknown): unknown => consumes?.(parameters.parse(given)).required;
    expect(neededBy({ [parameter]: "mine" })).toContainEqual({ key, producer: "mine" });
    expect(neededBy({})).toContainEqual({ key, producer: undefined });
    expect(neededBy({ [parameter]: "" })).toContainEqual({ key, producer: undefined });
  });
});

describe("endpoint-attribute-scorer", () => {
  const given = (type: string, normalization?: object): object => ({
    attributeKey: "temperature",
    producer: "extractor",
    algorithm: normalization === undefined ? { type } : { type, normalization },
  });

  it.each([
    { given: given("linear_lower_is_better"), parameters: [0, 0, 0, 0] },
    { given: given("linear_higher_is_better", { adaptiveRange: {} }), parameters: [1, 0, 0, 0] },
    { given: given("linear_lower_is_better", { fixedRange: { min: -2, max: 8 } }), parameters: [0, 1, -2, 8] },
    { given: given("linear_higher_is_better", { fixedRange: { max: 1 } }), parameters: [1, 1, 0, 1] },
  ])("$given runs with $parameters", ({ given: parameters, parameters: expected }) => {
    const { scorer } = createPlugin(endpointAttributeScorer, parameters);
    expect(scorer).toEqual({
      op: "attribute",
      parameters: expected,
      columns: [{ kind: "attribute", attribute: "temperature", producer: "extractor" }],
    });
    const parsed = endpointAttributeScorer.parameters.parse(parameters);
    expect(endpointAttributeScorer.consumes?.(parsed).required).toEqual([
      { key: endpointAttribute("temperature"), producer: "extractor" },
    ]);
  });

  const range = ["algorithm", "normalization", "fixedRange"];
  it.each([
    { name: "an unknown algorithm", given: given("quadratic"), at: ["algorithm", "type"] },
    { name: "an empty range", given: given("linear_lower_is_better", { fixedRange: { min: 1, max: 1 } }), at: range },
    { name: "a range without ends", given: given("linear_lower_is_better", { fixedRange: {} }), at: range },
    {
      name: "two ranges",
      given: given("linear_lower_is_better", { fixedRange: { min: 0, max: 1 }, adaptiveRange: {} }),
      at: ["algorithm", "normalization"],
    },
    { name: "no producer", given: { ...given("linear_lower_is_better"), producer: "" }, at: ["producer"] },
    { name: "no metric", given: { ...given("linear_lower_is_better"), attributeKey: "" }, at: ["attributeKey"] },
  ])("$name is refused", ({ given: parameters, at }) => {
    expect(pathsOf(endpointAttributeScorer, parameters)).toEqual([at]);
  });
});

describe("header-label-affinity-scorer", () => {
  const plugin = createPlugin(headerLabelAffinityScorer, { headerName: "X-Tier", labelKey: "tier" });
  const slotsOf = (headers: Record<string, string>, fleet = FLEET): unknown => {
    const { scorer } = plugin;
    const mask = scorer !== undefined && "requestMask" in scorer ? scorer.requestMask : undefined;
    return mask?.(requestView(headers), fleet)?.map(({ slot }) => slot);
  };
  const FLEET = fleetView([
    { labels: { tier: "gold" } },
    { labels: { tier: "silver" } },
    {},
    { labels: { tier: "gold", zone: "a" } },
  ]);

  it.each([
    { name: "the endpoints of the value", headers: { "x-tier": "gold" }, slots: [0, 3] },
    { name: "a value that no endpoint has", headers: { "x-tier": "lead" }, slots: [] },
    { name: "a name that every object has", headers: { "x-tier": "constructor" }, slots: [] },
    { name: "no header", headers: {}, slots: undefined },
    { name: "an empty header", headers: { "x-tier": "" }, slots: undefined },
  ])("$name: $slots", ({ headers, slots }) => {
    expect(plugin.headers).toEqual(["x-tier"]);
    expect(slotsOf(headers)).toEqual(slots);
  });

  it("follows the fleet when it changes", () => {
    expect(slotsOf({ "x-tier": "gold" })).toEqual([0, 3]);
    expect(slotsOf({ "x-tier": "gold" }, fleetView([{}, { labels: { tier: "gold" } }], 2))).toEqual([1]);
  });
});

describe("context-length-aware", () => {
  const { scorer, filter } = createPlugin(contextLengthAware, { label: "range", enableFiltering: true });
  const columns = scorer !== undefined && "columns" in scorer ? scorer.columns : [];

  it("is a filter as well only when it is told to be", () => {
    expect(filter).toEqual(scorer);
    expect(scorer).toMatchObject({ op: "contextLength" });
    expect(createPlugin(contextLengthAware).filter).toBeUndefined();
  });

  it.each([
    { text: "0-2048", min: 0, max: 2_048 },
    { text: "8192-8192", min: 8_192, max: 8_192 },
    { text: " 10 - +20 ", min: 10, max: 20 },
    { text: undefined, min: Number.NaN, max: Number.NaN },
    // No range: its greatest value is below its least.
    ...["", "2048", "2048-0", "-5-10", "1-2-3", "a-b", "1.5-2", "0x10-32", "1e3-5e3"].map((text) => ({
      text,
      min: 1,
      max: 0,
    })),
  ])("the label $text is the range $min to $max", ({ text, min, max }) => {
    const labels: Record<string, string> = text === undefined ? {} : { range: text };
    expect(columns?.map((column) => column.kind === "labels" && column.value(labels))).toEqual([min, max]);
  });
});
