/** What a configuration document becomes, and every way in which it can be wrong. */
import { describe, expect, it } from "vitest";
import { BUILTIN_PLUGINS } from "../../../src/builtins.ts";
import type { EndpointPickerConfig } from "../../../src/config/config.ts";
import { type LoadedConfig, loadConfig } from "../../../src/config/load.ts";
import { PluginRegistry } from "../../../src/framework/registry.ts";
import { PLANNED_PLUGINS } from "../../../src/plugins/planned.ts";

const registry = new PluginRegistry(BUILTIN_PLUGINS, PLANNED_PLUGINS);

function load(text: string, allowExperimental = false): Promise<LoadedConfig> {
  const loadModule = (): Promise<never> => Promise.reject(new Error("no test here names a module"));
  return loadConfig({ kind: "text", text, name: "--config-text" }, { registry, allowExperimental, loadModule });
}

async function configOf(text: string): Promise<EndpointPickerConfig> {
  return (await load(text)).config;
}

/** The lines of what loading the text throws, without file, line and column. */
async function faultsOf(text: string, allowExperimental = false): Promise<string[]> {
  const error = await load(text, allowExperimental).then(
    () => undefined,
    (thrown: unknown) => thrown as Error,
  );
  expect(error?.name).toBe("ConfigError");
  const lines = error?.message.split("\n") ?? [];
  for (const line of lines) expect(line).toMatch(/^--config-text:\d+:\d+: /);
  return lines.map((line) => line.replace(/^--config-text:\d+:\d+: /, ""));
}

const profilesOf = (config: EndpointPickerConfig): unknown =>
  config.schedulingProfiles.map(({ name, plugins }) => ({
    name,
    plugins: plugins.map(({ pluginRef, weight }) => (weight === undefined ? pluginRef : [pluginRef, weight])),
  }));

describe("the built-in configuration", () => {
  it("is 2 / 2 / 3 with the default picker, handler, detector, parsers and scraping", async () => {
    const options = { registry, allowExperimental: false, loadModule: () => Promise.reject(new Error("none")) };
    const { config, warnings } = await loadConfig({ kind: "default" }, options);
    expect(profilesOf(config)).toEqual([
      {
        name: "default",
        plugins: [
          ["queue-scorer", 2],
          ["kv-cache-utilization-scorer", 2],
          ["prefix-cache-scorer", 3],
          "max-score-picker",
        ],
      },
    ]);
    expect(config.parsers).toEqual(["openai-parser", "anthropic-parser", "vllmhttp-parser", "passthrough-parser"]);
    expect(config.saturationDetector).toBe("utilization-detector");
    expect(config.dataLayer.sources.map(({ pluginRef, extractors }) => [pluginRef, extractors])).toEqual([
      ["metrics-data-source", ["core-metrics-extractor"]],
    ]);
    expect(config.plugins.map(({ name }) => name)).toContain("single-profile-handler");
    expect(config.featureGates).toEqual({ flowControl: false, haPopulateNonLeaderDatastore: true });
    expect(warnings).toEqual([]);
  });

  it("an empty document is a configuration, too: all candidates are equal", async () => {
    expect(profilesOf(await configOf("{}"))).toEqual([{ name: "default", plugins: ["max-score-picker"] }]);
  });
});

describe("defaults", () => {
  it("a plugin without a name is named after its type", async () => {
    const { plugins } = await configOf("plugins: [{type: queue-scorer}, {name: cold, type: no-hit-lru-scorer}]");
    expect(plugins.slice(0, 2).map(({ name }) => name)).toEqual(["queue-scorer", "cold"]);
  });

  it("without profiles there is one of all filters, scorers and pickers in the order of the document", async () => {
    const text = `
plugins:
- type: kv-cache-utilization-scorer
- type: decode-filter
- type: random-picker
- type: queue-scorer
`;
    expect(profilesOf(await configOf(text))).toEqual([
      {
        name: "default",
        plugins: [["kv-cache-utilization-scorer", 1], "decode-filter", "random-picker", ["queue-scorer", 1]],
      },
    ]);
  });

  it("a configured saturation detector is no filter of that profile", async () => {
    const text = "plugins: [{type: queue-scorer}, {type: utilization-detector}, {type: concurrency-detector}]";
    expect(profilesOf(await configOf(text))).toEqual([
      { name: "default", plugins: [["queue-scorer", 1], "max-score-picker"] },
    ]);
  });

  it("a profile without a picker gets the configured one, or max-score-picker", async () => {
    const profile = "schedulingProfiles: [{name: p, plugins: [{pluginRef: queue-scorer, weight: 0.5}]}]";
    const own = await configOf(`plugins: [{type: queue-scorer}, {name: any, type: random-picker}]\n${profile}`);
    expect(profilesOf(own)).toEqual([{ name: "p", plugins: [["queue-scorer", 0.5], "any"] }]);
    const none = await configOf(`plugins: [{type: queue-scorer}]\n${profile}`);
    expect(profilesOf(none)).toEqual([{ name: "p", plugins: [["queue-scorer", 0.5], "max-score-picker"] }]);
  });

  it("a metrics source under another name is not joined by a second one", async () => {
    const text = `
plugins: [{name: mine, type: metrics-data-source}, {type: core-metrics-extractor}]
dataLayer: {sources: [{pluginRef: mine, extractors: [{pluginRef: core-metrics-extractor}]}]}
`;
    const { dataLayer, plugins } = await configOf(text);
    expect(dataLayer.sources.map(({ pluginRef }) => pluginRef)).toEqual(["mine"]);
    expect(plugins.filter(({ type }) => type === "metrics-data-source")).toHaveLength(1);
  });

  it("a configured metrics source that no section lists is the one that is used", async () => {
    const { dataLayer } = await configOf("plugins: [{name: mine, type: metrics-data-source}]");
    expect(dataLayer.sources.map(({ pluginRef }) => pluginRef)).toEqual(["mine"]);
  });

  it("parsers may be named by type alone", async () => {
    const { parsers, plugins } = await configOf("requestHandler: {parsers: [{pluginRef: passthrough-parser}]}");
    expect(parsers).toEqual(["passthrough-parser"]);
    expect(plugins.some(({ type }) => type === "passthrough-parser")).toBe(true);
  });

  it("the deprecated places of parser and detector work, and say so", async () => {
    const { config, warnings } = await load(
      `plugins: [{name: cap, type: concurrency-detector}]
parser: {pluginRef: vllmhttp-parser}
saturationDetector: {pluginRef: cap}`,
    );
    expect(config.parsers).toEqual(["vllmhttp-parser"]);
    expect(config.saturationDetector).toBe("cap");
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toMatch(/parser: is deprecated; write requestHandler.parsers/);
    expect(warnings[1]).toMatch(/saturationDetector: is deprecated; write flowControl.saturationDetector/);
  });

  it("flow control is made explicit, and its gate says that requests are not queued yet", async () => {
    const { config, warnings } = await load(`
featureGates: [flowControl]
plugins: [{name: fair, type: round-robin-fairness-policy}]
flowControl:
  maxBytes: 4Gi
  defaultRequestTTL: 30s
  priorityBands:
  - {priority: 10, maxRequests: "2000", fairnessPolicyRef: fair}
  - {priority: -1, orderingPolicyRef: edf-ordering-policy}
`);
    const band = { bytesMax: 1_000_000_000, requestsMax: 5_000, orderingPolicy: "fcfs-ordering-policy" };
    expect(config.flowControl).toMatchObject({
      bytesMax: 4 * 2 ** 30,
      requestsMax: undefined,
      requestTtlMs: 30_000,
      noEndpointRequestTtlMs: 30_000,
      priorityBands: [
        { priority: 10, ...band, requestsMax: 2_000, fairnessPolicy: "fair" },
        {
          priority: -1,
          ...band,
          fairnessPolicy: "global-strict-fairness-policy",
          orderingPolicy: "edf-ordering-policy",
        },
      ],
      usageLimitPolicy: "static-usage-limit-policy",
      enableEviction: false,
    });
    expect(warnings.join()).toMatch(/requests are not queued yet/);
  });

  it("the old apiVersion is accepted with a warning; JSON as well as YAML", async () => {
    const text = JSON.stringify({
      apiVersion: "inference.networking.x-k8s.io/v1alpha1",
      kind: "EndpointPickerConfig",
      plugins: [{ type: "queue-scorer" }],
    });
    expect((await load(text)).warnings).toEqual([
      expect.stringMatching(/^--config-text:1:\d+: apiVersion: is deprecated; write llm-d.ai\/v1alpha1$/),
    ]);
  });

  it("feature gates are read in all three forms", async () => {
    expect(
      (await configOf("featureGates: [flowControl=false, haPopulateNonLeaderDatastore=false]")).featureGates,
    ).toEqual({
      flowControl: false,
      haPopulateNonLeaderDatastore: false,
    });
    expect((await configOf("featureGates: [flowControl=true]")).featureGates.flowControl).toBe(true);
  });
});

describe("faults", () => {
  const twoProfiles = "schedulingProfiles: [{name: a, plugins: []}, {name: b, plugins: []}]";
  it.each<{ name: string; text: string; faults: readonly (string | RegExp)[] }>([
    {
      name: "a plugin without a type",
      text: "plugins: [{name: a}]",
      faults: [/^plugins\[0\]\.type: must be a non-empty text/],
    },
    {
      name: "two plugins of one name",
      text: "plugins: [{type: queue-scorer}, {type: queue-scorer}]",
      faults: ['plugins[1]: the name "queue-scorer" is taken by plugins[0]; give one of them another name'],
    },
    {
      name: "an unknown type, with the nearest one",
      text: "plugins: [{type: queue-scorr}]",
      faults: ['plugins[0].type: plugin type "queue-scorr" is not known; did you mean "queue-scorer"?'],
    },
    {
      name: "a type that is not there yet",
      text: "plugins: [{type: precise-prefix-cache-producer}]",
      faults: [/^plugins\[0\]\.type: plugin type "precise-prefix-cache-producer" is known, but not available yet: \S/],
    },
    {
      name: "an unknown parameter",
      text: "plugins: [{type: load-aware-scorer, parameters: {treshold: 3}}]",
      faults: [/^plugins\[0\]\.parameters: load-aware-scorer: Unrecognized key: "treshold"/],
    },
    {
      name: "a parameter of the wrong type",
      text: "plugins: [{type: load-aware-scorer, parameters: {threshold: many}}]",
      faults: [/^plugins\[0\]\.parameters\.threshold: load-aware-scorer: \S/],
    },
    {
      name: "an experimental plugin without the flag",
      text: "plugins: [{type: utilization-filter, parameters: {conditions: [{metric: waiting-queue, maxValue: 1}]}}]",
      faults: [/^plugins\[0\]\.type: "utilization-filter" is experimental; --allow-experimental-plugins/],
    },
    {
      name: "a profile without a name",
      text: "schedulingProfiles: [{plugins: []}]",
      faults: [/^schedulingProfiles\[0\]\.name: must be/],
    },
    {
      name: "two profiles of one name",
      text: "plugins: [{type: single-profile-handler}]\nschedulingProfiles: [{name: a}, {name: a}]",
      faults: ['schedulingProfiles[1].name: "a" is the name of an earlier profile, too'],
    },
    {
      name: "an entry without a reference",
      text: "schedulingProfiles: [{name: a, plugins: [{weight: 1}]}]",
      faults: [/^schedulingProfiles\[0\]\.plugins\[0\]\.pluginRef: must be/],
    },
    {
      name: "a reference to nothing",
      text: "plugins: [{type: queue-scorer}]\nschedulingProfiles: [{name: a, plugins: [{pluginRef: kv}]}]",
      faults: [
        'schedulingProfiles[0].plugins[0].pluginRef: "kv" is not the name of a plugin; names in plugins: queue-scorer',
      ],
    },
    {
      name: "two pickers in a profile",
      text: "plugins: [{type: random-picker}, {type: max-score-picker}]",
      faults: ['plugins: has 2 pickers, "random-picker" and "max-score-picker"; keep one'],
    },
    {
      name: "two profile handlers",
      text: "plugins: [{type: single-profile-handler}, {name: other, type: single-profile-handler}]",
      faults: ["plugins: has 2 profile handlers, single-profile-handler and other; keep one"],
    },
    {
      name: "two profiles and no handler",
      text: twoProfiles,
      faults: ["plugins: has no profile handler, but there are 2 profiles (a, b); add one"],
    },
    {
      name: "a detector that is not there",
      text: "flowControl: {saturationDetector: {pluginRef: cap}}",
      faults: [/^flowControl\.saturationDetector\.pluginRef: "cap" is not the name of a plugin/],
    },
    {
      name: "a detector of another kind",
      text: "plugins: [{type: queue-scorer}]\nsaturationDetector: {pluginRef: queue-scorer}",
      faults: [
        'saturationDetector.pluginRef: "queue-scorer" (queue-scorer) is a scorer; a saturation-detector is needed here',
      ],
    },
    {
      name: "a parser of another kind",
      text: "plugins: [{type: queue-scorer}]\nrequestHandler: {parsers: [{pluginRef: queue-scorer}]}",
      faults: [
        'requestHandler.parsers[0].pluginRef: "queue-scorer" (queue-scorer) is a scorer; a parser is needed here',
      ],
    },
    {
      name: "a data source of another kind",
      text: "plugins: [{type: queue-scorer}]\ndataLayer: {sources: [{pluginRef: queue-scorer}]}",
      faults: [
        'dataLayer.sources[0].pluginRef: "queue-scorer" (queue-scorer) is a scorer; a data-source is needed here',
      ],
    },
    {
      name: "one extractor type twice on a source",
      text: `
plugins: [{type: metrics-data-source}, {name: a, type: core-metrics-extractor}, {name: b, type: core-metrics-extractor}]
dataLayer: {sources: [{pluginRef: metrics-data-source, extractors: [{pluginRef: a}, {pluginRef: b}]}]}`,
      faults: [
        /^dataLayer\.sources\[0\]\.extractors\[1\]\.pluginRef: a second extractor of type "core-metrics-extractor"/,
      ],
    },
    {
      name: "one source twice",
      text: "dataLayer: {sources: [{pluginRef: metrics-data-source}, {pluginRef: metrics-data-source}]}",
      faults: [/^dataLayer\.sources\[1\]\.pluginRef: "metrics-data-source" is listed twice/],
    },
    {
      name: "no source at all",
      text: "dataLayer: {injectDefaults: false}",
      faults: [/^dataLayer\.injectDefaults: is false, and no sources are given/],
    },
    {
      name: "replicas that share state",
      text: "dataLayer: {peerDiscovery: {pluginRef: x}, crossReplicaSyncerPluginRef: y}",
      faults: [
        /^dataLayer\.peerDiscovery: is known, but not available yet/,
        /^dataLayer\.crossReplicaSyncerPluginRef: is known/,
      ],
    },
    {
      name: "negative quantities",
      text: "flowControl: {maxBytes: -1, maxRequests: many, defaultPriorityBand: {maxBytes: -4Gi}}",
      faults: [
        /^flowControl\.maxBytes: must be a quantity from 0 on, like 5000, 16M or 4Gi \(it is -1\)$/,
        /^flowControl\.maxRequests: must be a quantity .*\(it is "many"\)$/,
        /^flowControl\.defaultPriorityBand\.maxBytes: must be a quantity .*\(it is "-4Gi"\)$/,
      ],
    },
    {
      name: "a duration without a unit",
      text: "flowControl: {defaultRequestTTL: '60'}",
      faults: [/^flowControl\.defaultRequestTTL: must be a duration from 0s to 596h/],
    },
    {
      name: "two bands of one priority",
      text: "flowControl: {priorityBands: [{priority: 1}, {priority: 1}]}",
      faults: ["flowControl.priorityBands[1].priority: 1 is the priority of priorityBands[0], too"],
    },
    {
      name: "policies that are not there, or of another kind",
      text: `
plugins: [{type: round-robin-fairness-policy}]
flowControl:
  usageLimitPolicyPluginRef: none
  priorityBands: [{priority: 1, fairnessPolicyRef: fairest, orderingPolicyRef: round-robin-fairness-policy}]`,
      faults: [
        /^flowControl\.priorityBands\[0\]\.fairnessPolicyRef: "fairest" is not the name of a plugin/,
        /^flowControl\.priorityBands\[0\]\.orderingPolicyRef: "round-robin-fairness-policy" .* is a fairness-policy; a/,
        /^flowControl\.usageLimitPolicyPluginRef: "none" is not the name of a plugin/,
      ],
    },
    {
      name: "gates that are none, or neither true nor false",
      text: "featureGates: [flowcontrol, flowControl=yes]",
      faults: [
        /^featureGates\[0\]: "flowcontrol" is not a feature gate; gates: flowControl/,
        /^featureGates\[1\]: .*true or false/,
      ],
    },
    { name: "an unknown field", text: "pluginz: []", faults: [/^document: Unrecognized key: "pluginz"/] },
    {
      name: "a repeated field",
      text: "plugins: []\nplugins: []",
      faults: [/^not readable as YAML or JSON: Map keys must be unique/],
    },
    {
      name: "another kind of document",
      text: "kind: Pod",
      faults: ['kind: must be EndpointPickerConfig (it is "Pod")'],
    },
    { name: "another version", text: "apiVersion: v2", faults: ['apiVersion: must be llm-d.ai/v1alpha1 (it is "v2")'] },
    { name: "no document", text: "just text", faults: [/^document: must be a document of kind EndpointPickerConfig/] },
    {
      name: "a module without a path",
      text: "plugins: [{type: module, parameters: {pat: x}}]",
      faults: ["plugins[0].parameters.path: must be the path of a module, like ./my-plugin.mjs"],
    },
  ])("$name", async ({ text, faults }) => {
    const found = await faultsOf(text);
    expect(found).toHaveLength(faults.length);
    for (const [index, fault] of faults.entries()) {
      if (typeof fault === "string") expect(found[index]).toBe(fault);
      else expect(found[index]).toMatch(fault);
    }
  });

  it("all of them are reported at once, each at its line", async () => {
    const text = "plugins:\n- type: queue-scorr\n- type: queue-scorer\n- type: queue-scorer\n";
    await expect(load(text)).rejects.toThrow(/^--config-text:2:9: .*\n--config-text:4:3: /);
  });

  it("an experimental plugin may be used with the flag", async () => {
    const text =
      "plugins: [{type: utilization-filter, parameters: {conditions: [{metric: waiting-queue, maxValue: 1}]}}]";
    await expect(load(text, true)).resolves.toBeDefined();
  });
});
