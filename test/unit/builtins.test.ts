/** The list of types against the Go picker's, and what holds for every plugin. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ConfigError } from "../../src/base/errors.ts";
import { BUILTIN_PLUGINS } from "../../src/builtins.ts";
import { ignoredParameters } from "../../src/framework/parameters.ts";
import { PluginRegistry } from "../../src/framework/registry.ts";
import { PLANNED_PLUGINS } from "../../src/plugins/planned.ts";
import { createPlugin, warningsOf } from "../support/plugins.ts";

/** Every type that the Go picker registers, by stability. Source: its registrations, version of 21 August 2026. */
const GO_PICKER_TYPES = {
  stable: [
    // Pickers, profile handlers, deciders.
    ...["max-score-picker", "random-picker", "weighted-random-picker"],
    ...["single-profile-handler", "data-parallel-profile-handler", "disagg-profile-handler", "disagg-headers-handler"],
    ...["always-disagg-pd-decider", "prefix-based-pd-decider", "always-disagg-multimodal-decider"],
    // Filters.
    ...["label-selector-filter", "decode-filter", "prefill-filter", "encode-filter", "context-length-aware"],
    ...["prefix-cache-affinity-filter", "slo-headroom-tier-filter", "header-based-testing-filter"],
    ...["utilization-detector", "concurrency-detector"],
    // Scorers.
    ...["queue-scorer", "running-requests-size-scorer", "kv-cache-utilization-scorer", "lora-affinity-scorer"],
    ...["load-aware-scorer", "active-request-scorer", "token-load-scorer", "prefix-cache-scorer", "no-hit-lru-scorer"],
    ...["mm-embeddings-cache-scorer", "latency-scorer"],
    // Producers, hooks, admitters.
    ...["token-producer", "approx-prefix-cache-producer", "precise-prefix-cache-producer", "inflight-load-producer"],
    ...["mm-embeddings-cache-producer", "session-id-producer", "predicted-latency-producer", "latency-slo-admitter"],
    ...["probabilistic-admitter", "request-attribute-reporter", "destination-endpoint-served-verifier"],
    // Data layer.
    ...["metrics-data-source", "core-metrics-extractor", "models-data-source", "models-data-extractor"],
    ...["k8s-notification-source", "endpoint-notification-source", "file-discovery"],
    // Flow control.
    ...["global-strict-fairness-policy", "round-robin-fairness-policy", "program-aware-fairness"],
    ...["fcfs-ordering-policy", "edf-ordering-policy", "slo-deadline-ordering-policy", "static-usage-limit-policy"],
    // Parsers.
    ...["openai-parser", "anthropic-parser", "vllmhttp-parser", "sglanghttp-parser", "vllmgrpc-parser"],
    ...["vertexai-parser", "passthrough-parser"],
  ],
  experimental: [
    ...["header-profile-handler", "session-affinity-filter", "endpoint-attribute-filter", "topology-affinity-filter"],
    ...["utilization-filter", "multicluster-session-affinity-filter", "session-affinity-scorer"],
    ...["topology-affinity-scorer", "header-label-affinity-scorer", "endpoint-attribute-scorer"],
    ...["multicluster-queue-scorer", "multicluster-kv-cache-utilization-scorer", "multicluster-prefix-cache-scorer"],
    ...["multicluster-approx-prefix-cache-producer", "burst-prefix-cache-producer", "p2p-source-producer"],
    ...["agent-identity", "disaggregatedset-rollout-screener", "dcgm-data-source", "dcgm-extractor"],
    ...["topology-extractor", "multicluster-metrics-data-source", "multicluster-metrics-extractor"],
    ...["multicluster-file-discovery", "priority-holdback-policy", "soft-reflective-ceiling-policy"],
    ...["sheddable-eviction-filter", "priority-then-time-eviction-order-policy"],
  ],
  deprecated: [
    ...["pd-profile-handler", "prefill-header-handler", "by-label-selector", "by-label", "tokenizer"],
    ...["precise-prefix-cache-scorer"],
  ],
} as const;

/** Types of our own. */
const OWN_TYPES: readonly string[] = ["model-filter", "health-filter"];

describe("plugin types", () => {
  const all = [...BUILTIN_PLUGINS, ...PLANNED_PLUGINS];

  it.each(Object.entries(GO_PICKER_TYPES))(
    "every %s type of the Go picker is built in or planned",
    (stability, types) => {
      const known = all.filter((plugin) => plugin.stability === stability && !OWN_TYPES.includes(plugin.type));
      expect(known.map(({ type }) => type).toSorted()).toEqual(types.toSorted());
    },
  );

  it.each(PLANNED_PLUGINS.map((plugin) => [plugin.type, plugin] as const))(
    "%s is refused as known, with what to do instead",
    (type, { instead, summary, facets }) => {
      const registry = new PluginRegistry(BUILTIN_PLUGINS, PLANNED_PLUGINS);
      expect(() => registry.get(type)).toThrow(ConfigError);
      expect(() => registry.get(type)).toThrow(`"${type}" is known, but not available yet: ${instead}`);
      expect(summary).toMatch(/^[A-Z].*\.$/);
      expect(facets.length).toBeGreaterThan(0);
      // What is named as the remedy is there.
      const named = instead.match(/[a-z]+(?:-[a-z]+)+/g) ?? [];
      const types = named.filter((word) => /-(?:scorer|filter|producer|handler|admitter)$/.test(word));
      for (const remedy of types) expect(BUILTIN_PLUGINS.map((plugin) => plugin.type)).toContain(remedy);
    },
  );
});

/** The least that a plugin with required parameters must be given. */
const LEAST: Readonly<Record<string, unknown>> = {
  "by-label": { label: "tier", validValues: ["gold"] },
  "header-label-affinity-scorer": { headerName: "x-tier", labelKey: "tier" },
  "endpoint-attribute-scorer": {
    attributeKey: "temperature",
    producer: "extractor",
    algorithm: { type: "linear_lower_is_better" },
  },
  "endpoint-attribute-filter": {
    attribute: "temperature",
    producer: "extractor",
    algorithm: { type: "threshold", threshold: { operator: "LessThan" } },
  },
  "utilization-filter": { conditions: [{ metric: "waiting-queue", maxValue: 8 }] },
  "session-id-producer": { headerName: "x-session-id" },
  "priority-holdback-policy": { minCeiling: 0.5 },
  "file-discovery": { path: "endpoints.yaml" },
};

const byType = (plugins: typeof BUILTIN_PLUGINS): [string, (typeof BUILTIN_PLUGINS)[number]][] =>
  plugins.map((definition) => [definition.type, definition]);

describe.each(byType(BUILTIN_PLUGINS))("%s", (type, definition) => {
  it("says in a sentence what it does", () => {
    expect(definition.summary).toMatch(/^[A-Z].*\.$/);
    expect(definition.facets.length).toBeGreaterThan(0);
  });

  it("is created from the least that it must be given, and sets no facet that it does not declare", () => {
    const plugin = createPlugin(definition, LEAST[type] ?? {});
    for (const member of Object.keys(plugin)) {
      if (["headers", "sharedColumns", "dumpState"].includes(member)) continue;
      expect(definition.facets, member).toContain(FACETS[member] ?? member);
    }
  });
});

/** Facets by the member of a plugin that carries them, where the names differ. */
const FACETS: Readonly<Record<string, string>> = {
  profileHandler: "profile-handler",
  saturationDetector: "saturation-detector",
  hooks: "hook",
  dataSource: "data-source",
};

const deprecated = BUILTIN_PLUGINS.filter(({ stability }) => stability === "deprecated");

describe.each(byType(deprecated))("%s, which is deprecated", (_type, { summary }) => {
  it("names in its summary what to use instead, which is there", () => {
    const [, instead = ""] = /`([a-z-]+)`/.exec(summary) ?? [];
    expect(BUILTIN_PLUGINS.map(({ type }) => type)).toContain(instead);
  });
});

const ignoring = BUILTIN_PLUGINS.filter(({ parameters }) => parameters === ignoredParameters);
const checking = BUILTIN_PLUGINS.filter(({ parameters }) => parameters !== ignoredParameters);

describe.each(byType(ignoring))("%s, whose parameters the Go picker does not read", (_type, definition) => {
  it.each([{ "no such thing": 1 }, [1], "text", 7])("says that it ignores %j", (given) => {
    expect(warningsOf(definition, given)).toEqual(["takes no parameters; those given are ignored"]);
  });

  it.each([[{}], [[]], [null], [undefined]])("says nothing of %j", (given) => {
    expect(warningsOf(definition, given)).toEqual([]);
  });
});

/** The parameters of a schema that stand for themselves, by their paths. */
function leafParameters(schema: JsonSchema, path: string): [path: string, schema: JsonSchema][] {
  const inner = Object.entries(schema.properties ?? {});
  if (inner.length === 0) return [[path, schema]];
  return inner.flatMap(([name, property]) => leafParameters(property, path === "" ? name : `${path}.${name}`));
}

interface JsonSchema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
}

describe.each(byType(checking))("%s, whose parameters are checked", (type, definition) => {
  it("says of each parameter what it means", () => {
    const schema = z.toJSONSchema(definition.parameters, { io: "input", unrepresentable: "any" }) as JsonSchema;
    const silent = leafParameters(schema, "").filter(
      ([path, { description }]) => path !== "" && description === undefined,
    );
    expect(silent.map(([path]) => path)).toEqual([]);
  });

  it("refuses a parameter that it does not know, by name", () => {
    const given = { ...(LEAST[type] as object | undefined), "no such thing": 1 };
    const { error } = definition.parameters.safeParse(given);
    expect(error?.issues).toContainEqual(
      expect.objectContaining({ code: "unrecognized_keys", keys: ["no such thing"] }),
    );
  });
});
