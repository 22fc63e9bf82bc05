/**
 * Every built-in plugin in a configuration: loaded from its text, completed by what it needs, and compiled. What is
 * needed beside a plugin stands in `BESIDE`, its parameters in `GIVEN`.
 */
import { describe, expect, it } from "vitest";
import { BUILTIN_PLUGINS } from "../../../src/builtins.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { PluginRegistry } from "../../../src/framework/registry.ts";
import { PLANNED_PLUGINS } from "../../../src/plugins/planned.ts";
import { VIDEO_HEADERS } from "../../../src/plugins/producers/video-headers.ts";
import type { CompiledPolicy } from "../../../src/scheduling/compiled-policy.ts";
import { compilePolicy } from "../../../src/scheduling/policy.ts";
import { PolicyTable } from "../../../src/wasm/policies.ts";
import { ASSETS_DEFAULT } from "../../support/asset-tokens.ts";
import { testKernel } from "../../support/kernel.ts";

const registry = new PluginRegistry(BUILTIN_PLUGINS, PLANNED_PLUGINS);

interface Instance {
  readonly name?: string;
  readonly type: string;
  readonly parameters?: unknown;
}

async function compile(plugins: readonly Instance[], profile: readonly string[]): Promise<CompiledPolicy> {
  const text = JSON.stringify({
    kind: "EndpointPickerConfig",
    plugins,
    schedulingProfiles: [{ name: "default", plugins: profile.map((pluginRef) => ({ pluginRef })) }],
  });
  const loaded = await loadConfig(
    { kind: "text", text, name: "test.yaml" },
    { registry, allowExperimental: true, loadModule: () => Promise.reject(new Error("there are no modules")) },
  );
  return compilePolicy(loaded.config, loaded.registry);
}

/** A custom metric named "temperature". */
const EXTRACTOR: Instance = {
  name: "extractor",
  type: "core-metrics-extractor",
  parameters: {
    defaultEngine: "own",
    engineConfigs: [{ name: "own", customMetrics: [{ attributeKey: "temperature", metricSpec: "gpu_celsius" }] }],
  },
};
const SESSIONS: Instance = { name: "ids", type: "session-id-producer", parameters: { cookieName: "sid" } };
const bySessionId = {
  strategy: "session_id",
  sessionIdConfig: { sources: [{ attribute: "SessionID", producer: "ids" }] },
};

const GIVEN: Readonly<Record<string, unknown>> = {
  "by-label": { label: "tier", validValues: ["gold"] },
  "label-selector-filter": { matchLabels: { tier: "gold" } },
  "header-label-affinity-scorer": { headerName: "x-tier", labelKey: "tier" },
  "endpoint-attribute-scorer": {
    attributeKey: "temperature",
    producer: "extractor",
    algorithm: { type: "linear_lower_is_better" },
  },
  "endpoint-attribute-filter": {
    attribute: "temperature",
    producer: "extractor",
    algorithm: { type: "threshold", threshold: { operator: "LessThan", value: 80 } },
  },
  "utilization-filter": { conditions: [{ metric: "active-requests", maxValue: 8 }] },
  "session-affinity-scorer": bySessionId,
  "session-affinity-filter": bySessionId,
  "context-length-aware": { enableFiltering: true },
};

const BESIDE: Readonly<Record<string, readonly Instance[]>> = {
  "endpoint-attribute-scorer": [EXTRACTOR],
  "endpoint-attribute-filter": [EXTRACTOR],
  "session-affinity-scorer": [SESSIONS],
  "session-affinity-filter": [SESSIONS],
};

const inProfiles = BUILTIN_PLUGINS.filter(({ facets }) =>
  (["filter", "scorer", "picker"] as const).some((facet) => facets.includes(facet)),
);

describe("configurations of one plugin", () => {
  it.each(inProfiles.map(({ type, facets }) => [type, facets] as const))("%s", async (type, facets) => {
    const plugins = [...(BESIDE[type] ?? []), { type, parameters: GIVEN[type] ?? {} }];
    const compiled = await compile(plugins, [type]);
    const [profile] = compiled.program.profiles;
    expect(profile?.filters).toHaveLength(facets.includes("filter") ? 1 : 0);
    expect(profile?.scorers).toHaveLength(facets.includes("scorer") ? 1 : 0);
    // The kernel takes what came out.
    expect(new PolicyTable(testKernel("debug").memory).publish(compiled.program)).toBeDefined();
  });
});

describe("configurations of several plugins", () => {
  it("all scorers in one profile", async () => {
    const types = inProfiles.filter(({ facets }) => facets.includes("scorer")).map(({ type }) => type);
    const plugins = types.map((type) => ({ type, parameters: GIVEN[type] ?? {} }));
    const compiled = await compile([EXTRACTOR, SESSIONS, ...plugins], types);
    expect(compiled.program.profiles[0]?.scorers).toHaveLength(types.length);
    expect(compiled.prefixCache?.autoTune).toBe(true);
    expect(compiled.inFlightLoad).toEqual({ outputRatio: 0, outputTokensMax: Infinity });
    expect(compiled.headers.toSorted()).toEqual(["cookie", ...VIDEO_HEADERS.toSorted(), "x-tier"]);
  });

  it("what images and videos count as stands in the policy", async () => {
    const image = { mode: "static", static: { staticToken: 256 } };
    const video = { tokensPerFrame: { mode: "static", static: { numTokensPerFrame: 70 } }, defaultDuration: 3 };
    const parameters = { estimate: { image, video } };
    const { program } = await compile(
      [{ type: "token-producer", parameters }, { type: "queue-scorer" }],
      ["queue-scorer"],
    );
    expect(program).toMatchObject({ imageTokenPixels: 0, imageTokens: 256, videoTokens: 420 });
  });

  it("where nobody needs the tokens of prompts, images and videos count in the default way", async () => {
    const compiled = await compile([{ type: "queue-scorer" }], ["queue-scorer"]);
    expect(compiled.program).toMatchObject(ASSETS_DEFAULT);
    expect(compiled.headers).toEqual([]);
  });

  it.each([
    {
      name: "a producer that does not exist",
      plugins: [{ type: "prefix-cache-scorer", parameters: { prefixMatchInfoProducerName: "hashes" } }],
      fault: /takes prefixMatch from "hashes", which is not the name of a plugin/,
    },
    {
      name: "a producer of something else",
      plugins: [{ type: "active-request-scorer", parameters: { inFlightLoadProducerName: "ids" } }, SESSIONS],
      fault: /takes inFlightLoad from "ids", which does not produce inFlightLoad/,
    },
    {
      name: "a custom metric that nobody reads",
      plugins: [
        { type: "endpoint-attribute-scorer", parameters: GIVEN["endpoint-attribute-scorer"] },
        { name: "extractor", type: "core-metrics-extractor" },
      ],
      fault: /takes endpointAttribute:temperature from "extractor", which does not produce/,
    },
    {
      name: "a type that is not there yet",
      plugins: [{ type: "precise-prefix-cache-scorer" }],
      fault: /"precise-prefix-cache-scorer" is known, but not available yet: use prefix-cache-scorer/,
    },
  ])("$name is refused", async ({ plugins, fault }) => {
    await expect(compile(plugins, [plugins[0]?.type ?? ""])).rejects.toThrow(fault);
  });
});
