/**
 * The contract of plugins: every built-in filter, scorer, picker, producer, admitter, hook and detector is created, is
 * what its facets say, compiles into a policy, and decides requests in the kernel without a fault.
 */
import { describe, expect, it } from "vitest";
import { BUILTIN_PLUGINS } from "../../src/builtins.ts";
import type { Facet, Plugin, PluginDefinition } from "../../src/framework/plugin.ts";
import type { PolicyConfig } from "../../src/scheduling/policy.ts";
import { testShard } from "../support/conversation.ts";
import { bodyMessages, chatBody, readRequestAnswer, requestHeaders } from "../support/ext-proc-messages.ts";
import { endpoint } from "../support/fleet.ts";
import { KERNEL_BUILDS } from "../support/kernel.ts";
import { configOf, createPlugin } from "../support/plugins.ts";

/** Of types that cannot do without. */
const PARAMETERS: Readonly<Record<string, object>> = {
  "by-label": { label: "a", validValues: ["b"], allowsNoLabel: true },
  "by-label-selector": { matchLabels: { a: "b" } },
  "label-selector-filter": { matchLabels: { a: "b" } },
  "endpoint-attribute-filter": {
    attribute: "price",
    producer: "prices",
    algorithm: { type: "threshold", threshold: { operator: "LessThan", value: 1 } },
    onMissing: "Pass",
  },
  "endpoint-attribute-scorer": {
    attributeKey: "price",
    producer: "prices",
    algorithm: { type: "linear_lower_is_better" },
  },
  "header-label-affinity-scorer": { headerName: "x-a", labelKey: "a" },
  "utilization-filter": { conditions: [{ metric: "waiting-queue", maxValue: 10 }] },
  "session-id-producer": { headerName: "x-session" },
  "context-length-aware": { enableFiltering: true },
};

/** The property of an instance that each facet stands for. */
const PARTS: Readonly<Partial<Record<Facet, keyof Plugin>>> = {
  filter: "filter",
  scorer: "scorer",
  picker: "picker",
  "profile-handler": "profileHandler",
  producer: "producer",
  admitter: "admitter",
  "saturation-detector": "saturationDetector",
  hook: "hooks",
};

/** Produces what the attribute plugins read. */
const PRICES: PluginDefinition = {
  type: "prices",
  facets: ["extractor"],
  stability: "stable",
  summary: "Test.",
  parameters: { safeParse: () => ({ success: true, data: {} }) } as unknown as PluginDefinition["parameters"],
  produces: () => [{ name: "endpointAttribute:price", unit: "", source: "" }],
  create: () => ({}),
};

const scheduling = BUILTIN_PLUGINS.filter(({ facets }) => facets.some((facet) => PARTS[facet] !== undefined));
const handlers = scheduling.filter(({ facets }) => facets.includes("profile-handler"));

it("there are plugins of every kind that takes part in scheduling", () => {
  expect(scheduling.length).toBeGreaterThan(30);
  for (const facet of Object.keys(PARTS)) {
    expect(
      scheduling.some(({ facets }) => facets.includes(facet as Facet)),
      facet,
    ).toBe(true);
  }
});

describe.each(scheduling.map((definition) => [definition.type, definition] as const))("%s", (type, definition) => {
  const parameters = PARAMETERS[type] ?? {};

  it("is what its facets say, and nothing else", () => {
    const plugin = createPlugin(definition, parameters);
    expect.hasAssertions();
    for (const [facet, part] of Object.entries(PARTS)) {
      const isNamed = definition.facets.includes(facet as Facet);
      // A context-length filter is one only when it is told to be.
      if (plugin[part] !== undefined) expect(isNamed, `${type} has ${part}`).toBe(true);
      else if (isNamed) expect(definition.facets.length, `${type} has no ${part}`).toBeGreaterThan(1);
    }
  });

  it("unknown parameters are a fault, or ignored aloud", () => {
    const given = { ...parameters, noSuchParameter: 1 };
    const parsed = definition.parameters.safeParse(given);
    if (!parsed.success) return;
    const warnings: string[] = [];
    createPlugin(definition, given, { warn: (text) => warnings.push(text) });
    expect(warnings, `${type} takes unknown parameters in silence`).not.toEqual([]);
  });

  it.each(KERNEL_BUILDS)("decides requests in the %s build", (build) => {
    const shard = testShard({
      build,
      plugins: [PRICES],
      config: policyWith(definition, parameters),
      objectives: [{ name: "batch", priority: -1 }],
      loads: [endpoint({ queueDepthRequests: 3 }), endpoint(), {}],
      labels: [{ a: "b", "llm-d.ai/context-length-range": "0-2048", "llm-d.ai/role": "both" }, { a: "c" }, {}],
    });
    const sessions = ["x-session", "x-session-id", "x-session-token", "x-a", "test-epp-endpoint-selection"];
    const more = sessions.map((name) => ({ name, value: name === "x-a" ? "b" : "10.0.0.0" }));
    for (const headers of [[], more, [{ name: "x-llm-d-inference-objective", value: "batch" }]]) {
      for (const prompt of ["short", "p".repeat(3_000)]) {
        const stream = shard.open();
        stream.send(requestHeaders({ more: headers }), ...bodyMessages("requestBody", chatBody(prompt)));
        shard.turn();
        const answer = readRequestAnswer(stream.answers);
        if (answer.kind === "refused") expect(answer.status, answer.text).toBe(429);
        stream.send({ kind: "responseHeaders", headers: [{ name: ":status", value: "200" }] });
        stream.halfClose();
      }
    }
    expect(shard.pluginReports.filter((report) => / (threw|bad-result|over-budget): /.test(report))).toEqual([]);
    expect([0, 1, 2].map((slot) => shard.counters.inFlightRequests(slot))).toEqual([0, 0, 0]);
    expect(shard.freeWindowCount()).toBe(16);
  });
});

/** A policy in which the plugin takes part, whatever it is. */
function policyWith({ type, facets }: PluginDefinition, parameters: object): PolicyConfig {
  const inProfile = facets.some((facet) => ["filter", "scorer", "picker"].includes(facet));
  const handler = handlers.some((one) => one.type === type) ? type : "single-profile-handler";
  const types = [...new Set([handler, "queue-scorer", "prices", type])];
  const profile = [...new Set(["queue-scorer", ...(inProfile ? [type] : [])])];
  const config = configOf(types, { default: profile }, { [type]: parameters });
  return facets.includes("saturation-detector") ? { ...config, saturationDetector: type } : config;
}
