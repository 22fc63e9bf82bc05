import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/base/errors.ts";
import { BUILTIN_PLUGINS } from "../../../src/builtins.ts";
import type { PluginInstance, ProfilePlugin, SchedulingConfig } from "../../../src/config/config.ts";
import { PluginRegistry } from "../../../src/framework/registry.ts";
import { compilePolicy, type PolicyConfig } from "../../../src/scheduling/policy.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { PolicyTable } from "../../../src/wasm/policies.ts";
import { ASSETS_DEFAULT } from "../../support/asset-tokens.ts";
import { DEFAULT_CONFIG } from "../../support/default-config.ts";
import { testKernel } from "../../support/kernel.ts";

const registry = new PluginRegistry(BUILTIN_PLUGINS);
const plugin = (type: string, changes: Partial<PluginInstance> = {}): PluginInstance => ({
  name: type,
  type,
  parameters: {},
  ...changes,
});

const HANDLER = plugin("single-profile-handler");
const PRODUCER = plugin("approx-prefix-cache-producer");
const QUEUE = plugin("queue-scorer");
const PICKER = plugin("max-score-picker");

/** A configuration of these plugins beside handler and producer, and one profile. */
function config(plugins: readonly PluginInstance[], profile: readonly ProfilePlugin[]): SchedulingConfig {
  return {
    plugins: [HANDLER, PRODUCER, ...plugins],
    schedulingProfiles: [{ name: "default", plugins: profile }],
  };
}

const ref = (pluginRef: string, weight?: number): ProfilePlugin =>
  weight === undefined ? { pluginRef } : { pluginRef, weight };

/** The message of the ConfigError that compiling causes. */
function faultOf(given: SchedulingConfig): string {
  try {
    compilePolicy(given, registry);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error("the configuration was accepted");
}

describe("compiling a policy", () => {
  it("the default configuration is the Go picker's: 2, 2 and 3 over 64-token blocks", () => {
    const compiled = compilePolicy(DEFAULT_CONFIG, registry);
    expect(compiled).toMatchObject({
      profiles: [
        {
          name: "default",
          filters: [],
          scorers: [
            { name: "queue-scorer", weight: 2 },
            { name: "kv-cache-utilization-scorer", weight: 2 },
            { name: "prefix-cache-scorer", weight: 3 },
          ],
          picker: "max-score-picker",
          custom: undefined,
        },
      ],
      // No plugin looks at single requests: such a policy costs a request nothing.
      requestStages: undefined,
      headers: ["x-llm-d-video-fps", "x-llm-d-video-duration-seconds", "x-llm-d-video-resolution"],
      prefixCache: { blockSizeTokens: 64, blocksMax: 2_048, blocksPerEndpointMax: 31_250 },
      program: {
        blockSize: 256,
        blocksMax: 2_048,
        tokenSize: 4,
        staleMs: 2_000,
        ...ASSETS_DEFAULT,
        profiles: [
          {
            filters: [],
            picker: layout.PICKER_MAX_SCORE,
            targetsMax: 1,
            scorers: [
              { program: { op: layout.SCORER_QUEUE_DEPTH }, weight: 2 },
              { program: { op: layout.SCORER_KV_CACHE_UTILIZATION }, weight: 2 },
              { program: { op: layout.SCORER_PREFIX_CACHE, parameters: [0, 8_192] }, weight: 3 },
            ],
          },
        ],
      },
    });
  });

  it("scorers keep the order of the profile, under the names of their instances", () => {
    const first = plugin("queue-scorer", { name: "short-queues" });
    const second = plugin("prefix-cache-scorer", { name: "warm", parameters: { matchLengthWeight: 0.5 } });
    const { profiles, program } = compilePolicy(
      config([first, second], [ref("warm"), ref("short-queues", 0)]),
      registry,
    );
    expect(profiles[0]?.scorers).toEqual([
      { name: "warm", weight: 1 },
      { name: "short-queues", weight: 0 },
    ]);
    expect(program.profiles[0]?.scorers.map(({ program: { op } }) => op)).toEqual([
      layout.SCORER_PREFIX_CACHE,
      layout.SCORER_QUEUE_DEPTH,
    ]);
  });

  it("plugins that the profile does not list do not score", () => {
    const { program } = compilePolicy(config([QUEUE, PICKER], [ref("queue-scorer")]), registry);
    expect(program.profiles[0]?.scorers).toHaveLength(1);
  });

  it.each([
    { name: "none listed", plugins: [], profile: [], targetsMax: 1 },
    { name: "one listed", plugins: [PICKER], profile: [ref("max-score-picker")], targetsMax: 1 },
    {
      name: "one with parameters",
      plugins: [plugin("max-score-picker", { parameters: { maxNumOfEndpoints: 4 } })],
      profile: [ref("max-score-picker")],
      targetsMax: 4,
    },
  ])("the picker: $name", ({ plugins, profile, targetsMax }) => {
    expect(compilePolicy(config(plugins, profile), registry).program.profiles).toMatchObject([
      { picker: layout.PICKER_MAX_SCORE, targetsMax },
    ]);
  });

  it.each([
    { parameters: undefined, blockSize: 256, blocksMax: 2_048 },
    { parameters: null, blockSize: 256, blocksMax: 2_048 },
    { parameters: { blockSizeTokens: 16 }, blockSize: 256, blocksMax: 2_048 },
    { parameters: { blockSizeTokens: 128 }, blockSize: 512, blocksMax: 1_024 },
    { parameters: { maxPrefixTokensToMatch: 1_000 }, blockSize: 256, blocksMax: 15 },
    { parameters: { maxPrefixTokensToMatch: 10_000_000 }, blockSize: 256, blocksMax: layout.BLOCKS_MAX },
    { parameters: { blockSizeTokens: 1_024, maxPrefixTokensToMatch: 1_024 }, blockSize: 4_096, blocksMax: 1 },
  ])("the prefix cache of $parameters", ({ parameters, blockSize, blocksMax }) => {
    const producer = plugin("approx-prefix-cache-producer", { parameters });
    const { program } = compilePolicy({ ...config([], []), plugins: [HANDLER, producer] }, registry);
    expect(program).toMatchObject({ blockSize, blocksMax });
  });

  it("whatever compiles can be published", () => {
    const producers = [{ blockSizeTokens: 1_024, maxPrefixTokensToMatch: 1_024 }, { blockSizeTokens: 65 }, {}];
    const table = new PolicyTable(testKernel("release").memory);
    const scorers = Array.from({ length: layout.SCORERS_MAX }, () => ref("queue-scorer", -2.5));
    for (const [number, parameters] of producers.entries()) {
      const plugins = [HANDLER, plugin("approx-prefix-cache-producer", { parameters }), QUEUE];
      const { program } = compilePolicy({ ...config([], scorers), plugins }, registry);
      expect(table.publish(program)).toBe(number);
    }
  });
});

const HEADERS = ["x-a", "x-b", "x-c", "x-d", "x-e"];

describe("a configuration that cannot be used", () => {
  const CASES: readonly { name: string; given: SchedulingConfig; fault: string | RegExp }[] = [
    {
      name: "an unknown type",
      given: config([plugin("qeue-scorer")], []),
      fault: 'plugins[2]: plugin type "qeue-scorer" is not known; did you mean "queue-scorer"?',
    },
    {
      name: "an unknown parameter",
      given: config([plugin("load-aware-scorer", { parameters: { treshold: 1 } })], []),
      fault: /^plugins\[2\] \(load-aware-scorer\): parameters: .*"treshold"/,
    },
    {
      name: "a parameter of the wrong type",
      given: config([plugin("prefix-cache-scorer", { parameters: { matchLengthWeight: 2 } })], []),
      fault: /^plugins\[2\] \(prefix-cache-scorer\): parameters: [^]*matchLengthWeight/,
    },
    {
      name: "a cap below one block",
      given: config(
        [
          plugin("approx-prefix-cache-producer", {
            name: "p",
            parameters: { blockSizeTokens: 128, maxPrefixTokensToMatch: 100 },
          }),
        ],
        [],
      ),
      fault: /^plugins\[2\].*must be at least blockSizeTokens[^]*maxPrefixTokensToMatch/,
    },
    {
      name: "parameters that are a list",
      given: config([plugin("load-aware-scorer", { parameters: [] })], []),
      fault: /^plugins\[2\] \(load-aware-scorer\): parameters: /,
    },
    {
      name: "two plugins of one name",
      given: config([QUEUE, plugin("kv-cache-utilization-scorer", { name: "queue-scorer" })], []),
      fault: 'plugins[3]: the name "queue-scorer" is taken by an earlier plugin; give it another one',
    },
    {
      name: "no profile handler",
      given: { ...config([], []), plugins: [PRODUCER] },
      fault: "plugins has no profile handler; add one of type single-profile-handler",
    },
    {
      name: "two profile handlers",
      given: config([plugin("single-profile-handler", { name: "second" })], []),
      fault: 'plugins has two profile handlers, "single-profile-handler" and "second"; keep one',
    },
    {
      name: "two profiles",
      given: {
        ...config([], []),
        schedulingProfiles: [
          { name: "a", plugins: [] },
          { name: "b", plugins: [] },
        ],
      },
      fault: "single-profile-handler runs exactly one profile, but schedulingProfiles has 2: a, b",
    },
    {
      name: "no profile",
      given: { ...config([], []), schedulingProfiles: [] },
      fault: /^single-profile-handler runs exactly one profile, but schedulingProfiles has 0/,
    },
    {
      name: "a reference to nothing",
      given: config([QUEUE], [ref("queue-scorer"), ref("queue")]),
      fault:
        'schedulingProfiles "default".plugins[1]: pluginRef "queue" is not the name of a plugin; ' +
        "names: single-profile-handler, approx-prefix-cache-producer, queue-scorer, token-producer",
    },
    {
      name: "a producer in a profile",
      given: config([], [ref("approx-prefix-cache-producer")]),
      fault:
        'schedulingProfiles "default".plugins[0]: "approx-prefix-cache-producer" is a producer; ' +
        "a profile lists filters, scorers and one picker",
    },
    {
      name: "two pickers",
      given: config([PICKER, plugin("max-score-picker", { name: "other" })], [ref("max-score-picker"), ref("other")]),
      fault: 'schedulingProfiles "default".plugins[1]: "other" is a second picker; keep one',
    },
    {
      name: "a weight that is no number",
      given: config([QUEUE], [ref("queue-scorer", Number.NaN)]),
      fault: 'schedulingProfiles "default".plugins[0]: weight NaN is not a finite number',
    },
    {
      name: "an infinite weight",
      given: config([QUEUE], [ref("queue-scorer", Number.NEGATIVE_INFINITY)]),
      fault: 'schedulingProfiles "default".plugins[0]: weight -Infinity is not a finite number',
    },
    {
      name: "more scorers than a decision can hold",
      given: config(
        [QUEUE],
        Array.from({ length: layout.SCORERS_MAX + 1 }, () => ref("queue-scorer")),
      ),
      fault: 'schedulingProfiles "default" has 17 scorers; at most 16 can be used',
    },
    {
      name: "more filters than a decision can hold",
      given: config(
        [plugin("decode-filter")],
        Array.from({ length: layout.FILTERS_MAX + 1 }, () => ref("decode-filter")),
      ),
      fault: 'schedulingProfiles "default" has 17 filters; at most 16 can be used',
    },
    {
      name: "two producers of prefix matches",
      given: config([plugin("approx-prefix-cache-producer", { name: "second" })], []),
      fault:
        'plugins has two producers of prefix matches, "approx-prefix-cache-producer" and "second"; ' +
        "endpoints are judged by one, keep one",
    },
    {
      name: "two producers of in-flight load",
      given: config(
        ["a", "b"].map((name) => plugin("inflight-load-producer", { name })),
        [],
      ),
      fault: /^plugins has two producers of in-flight load, "a" and "b"; /,
    },
    {
      name: "two producers of prompt tokens",
      given: config([plugin("token-producer", { name: "a" }), plugin("tokenizer", { name: "b" })], []),
      fault: /^plugins has two producers of prompt tokens, "a" and "b"; /,
    },
    {
      name: "a saturation detector that is none",
      given: { ...config([QUEUE], []), saturationDetector: "queue-scorer" } as PolicyConfig,
      fault: '"queue-scorer" is not the name of a saturation detector',
    },
    {
      name: "a producer that is named and does not exist",
      given: config([plugin("prefix-cache-scorer", { parameters: { prefixMatchInfoProducerName: "gone" } })], []),
      fault:
        /^plugin "prefix-cache-scorer" takes prefixMatch from "gone", which is not the name of a plugin; these do: /,
    },
    {
      name: "more selections by request than the kernel has room for",
      given: config(
        HEADERS.map((headerName) =>
          plugin("header-label-affinity-scorer", { name: headerName, parameters: { headerName, labelKey: "a" } }),
        ),
        HEADERS.map((name) => ref(name)),
      ),
      fault: "the profiles need more than 4 selections by request; use fewer plugins",
    },
  ];

  it("says the path of what is at fault, for whoever knows the document", () => {
    const pathOf = (given: SchedulingConfig): unknown => {
      try {
        compilePolicy(given, registry);
      } catch (error) {
        return (error as ConfigError).path;
      }
      return "none";
    };
    const origin = { kind: "document", path: ["plugins", 7] } as const;
    expect([
      pathOf(config([plugin("nothing", { origin })], [])),
      pathOf(config([plugin("load-aware-scorer", { origin, parameters: { a: 1 } })], [])),
      pathOf(config([QUEUE], [ref("gone")])),
      pathOf(config([QUEUE], [ref("queue-scorer", Number.NaN)])),
      pathOf({ ...config([], []), schedulingProfiles: [] }),
    ]).toEqual([
      ["plugins", 7, "type"],
      ["plugins", 7, "parameters"],
      ["schedulingProfiles", 0, "plugins", 0, "pluginRef"],
      ["schedulingProfiles", 0, "plugins", 0, "weight"],
      ["schedulingProfiles"],
    ]);
  });

  it.each(CASES)("$name", ({ given, fault }) => {
    if (typeof fault === "string") expect(faultOf(given)).toBe(fault);
    else expect(faultOf(given)).toMatch(fault);
  });
});
