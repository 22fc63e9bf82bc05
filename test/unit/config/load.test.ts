/** Where configurations come from, and what comes out when they are shown. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/base/errors.ts";
import { BUILTIN_PLUGINS } from "../../../src/builtins.ts";
import type { EndpointPickerConfig } from "../../../src/config/config.ts";
import { CONFIG_SIZE_MAX } from "../../../src/config/defaults.ts";
import { type ConfigSource, type LoadedConfig, type LoadOptions, loadConfig } from "../../../src/config/load.ts";
import { showConfig } from "../../../src/config/show.ts";
import type { PluginDefinition } from "../../../src/framework/plugin.ts";
import { PluginRegistry } from "../../../src/framework/registry.ts";
import { PLANNED_PLUGINS } from "../../../src/plugins/planned.ts";

const registry = new PluginRegistry(BUILTIN_PLUGINS, PLANNED_PLUGINS);
const folder = mkdtempSync(join(tmpdir(), "magpie-config-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(source: ConfigSource, options: Partial<LoadOptions> = {}): Promise<LoadedConfig> {
  const loadModule = (): Promise<never> => Promise.reject(new Error("no module is named"));
  return loadConfig(source, { registry, allowExperimental: true, loadModule, ...options });
}

function file(name: string, text: string): ConfigSource {
  writeFileSync(join(folder, name), text);
  return { kind: "file", path: join(folder, name) };
}

describe("loading a configuration", () => {
  it("reads YAML and JSON files alike", async () => {
    const yaml = await load(file("a.yaml", "plugins:\n- type: queue-scorer\n"));
    const json = await load(file("a.json", '{"plugins": [{"type": "queue-scorer"}]}'));
    expect(yaml.config).toEqual(json.config);
  });

  it("names the file, the place and the remedy", async () => {
    const source = file("bad.yaml", "plugins:\n- type: queue-scorer\n  parameters: [1]\n");
    await expect(load(source)).rejects.toThrow(
      `${join(folder, "bad.yaml")}:3:15: plugins[0].parameters: must be a map`,
    );
    await expect(load({ kind: "file", path: join(folder, "none.yaml") })).rejects.toThrow(
      /none\.yaml: cannot be read: ENOENT.*; name a readable file with --config-file/,
    );
    await expect(load({ kind: "file", path: folder })).rejects.toThrow(ConfigError);
  });

  it("refuses a file that is far too large without reading it", async () => {
    const source = file("large.yaml", `# ${"x".repeat(CONFIG_SIZE_MAX)}`);
    await expect(load(source)).rejects.toThrow(`at most ${CONFIG_SIZE_MAX} are read`);
  });

  it("imports a module relative to the file that names it, and tells where it was named when that fails", async () => {
    const asked: string[] = [];
    const mine: PluginDefinition = { ...registry.get("queue-scorer"), type: "my-scorer" };
    const loadModule = (path: string): Promise<PluginDefinition> => {
      asked.push(path);
      if (path.endsWith("bad.mjs")) throw new ConfigError(`${path}: has no default export`);
      return Promise.resolve(mine);
    };
    const text = "plugins:\n- {name: m, type: module, parameters: {path: ./plugins/mine.mjs}}\n";
    const loaded = await load(file("module.yaml", text), { loadModule });
    expect(asked).toEqual([join(folder, "plugins/mine.mjs")]);
    expect(loaded.registry.definitionFor({ name: "m", type: "module" })).toBe(mine);
    expect(loaded.config.schedulingProfiles[0]?.plugins[0]?.pluginRef).toBe("m");
    await expect(load(file("m2.yaml", text.replace("mine", "bad")), { loadModule })).rejects.toThrow(
      /m2\.yaml:2:\d+: plugins\[0\]\.parameters\.path: .*bad\.mjs: has no default export/,
    );
  });

  it("adds file and line to an error that is found later", async () => {
    const loaded = await load(file("later.yaml", "plugins:\n- type: queue-scorer\n"));
    expect(loaded.locate(new ConfigError("is wrong", { path: ["plugins", 0, "type"] })).message).toBe(
      `${join(folder, "later.yaml")}:2:9: plugins[0].type: is wrong`,
    );
    expect(loaded.locate(new ConfigError("is wrong")).message).toBe("is wrong");
  });
});

/** Without what tells where entries come from. */
function meaningOf(config: EndpointPickerConfig): unknown {
  return JSON.parse(JSON.stringify(config, (key, value: unknown) => (key === "origin" ? undefined : value)));
}

/** The worked examples of operators: scheduling, two bands of flow control, own names, own sources. */
const EXAMPLES: readonly { readonly name: string; readonly text: string }[] = [
  { name: "nothing", text: "{}" },
  {
    name: "prefix and load aware",
    text: `
plugins:
- name: hashes
  type: approx-prefix-cache-producer
  parameters: {autoTune: false, blockSizeTokens: 64, lruCapacityPerServer: 20000}
- {name: prefix, type: prefix-cache-scorer, parameters: {prefixMatchInfoProducerName: hashes}}
- {name: queue, type: queue-scorer}
- {name: cold, type: no-hit-lru-scorer, parameters: {prefixMatchInfoProducerName: hashes, lruSize: 512}}
- {name: best, type: max-score-picker, parameters: {maxNumOfEndpoints: 1}}
- {type: single-profile-handler}
schedulingProfiles:
- name: default
  plugins: [{pluginRef: prefix, weight: 3}, {pluginRef: queue, weight: 2}, {pluginRef: cold}, {pluginRef: best}]
`,
  },
  {
    name: "flow control and an engine of one's own",
    text: `
featureGates: [flowControl]
requestHandler: {responseBody: skip}
plugins:
- {type: active-request-scorer}
- {type: token-load-scorer, parameters: {queueThresholdTokens: 1000000}}
- {type: weighted-random-picker}
- {name: fair, type: round-robin-fairness-policy}
- {name: deadline, type: edf-ordering-policy}
- name: cap
  type: concurrency-detector
  parameters: {concurrencyMode: hybrid, maxConcurrency: 64, maxTokenConcurrency: 400000, headroom: 0.1}
- {type: metrics-data-source, parameters: {path: /metrics, interval: 200ms}}
- type: core-metrics-extractor
  parameters:
    defaultEngine: in-house
    engineConfigs:
    - name: in-house
      queuedRequestsSpec: "srv_waiting{kind=llm}"
      runningRequestsSpec: srv_running
      kvUsageSpec: srv_kv_used_ratio
schedulingProfiles:
- name: default
  plugins:
  - {pluginRef: active-request-scorer, weight: 2}
  - {pluginRef: token-load-scorer}
  - {pluginRef: weighted-random-picker}
dataLayer:
  sources: [{pluginRef: metrics-data-source, extractors: [{pluginRef: core-metrics-extractor}]}]
flowControl:
  maxBytes: 4Gi
  defaultRequestTTL: 30s
  saturationDetector: {pluginRef: cap}
  priorityBands:
  - {priority: 10, maxRequests: "2000", fairnessPolicyRef: fair}
  - {priority: 0, fairnessPolicyRef: fair, orderingPolicyRef: deadline}
`,
  },
];

describe("showing a configuration", () => {
  it.each(EXAMPLES)("$name: what is shown can be loaded and means the same", async ({ text }) => {
    const { config } = await load({ kind: "text", text, name: "given" });
    for (const format of ["yaml", "json"] as const) {
      const shown = showConfig(config, registry, format);
      const again = (await load({ kind: "text", text: shown, name: "shown" })).config;
      // Parameters that were left out have their defaults now.
      expect(showConfig(again, registry, "json")).toBe(showConfig(config, registry, "json"));
      const { plugins: _given, ...rest } = meaningOf(config) as Record<string, unknown>;
      expect(meaningOf(again)).toMatchObject(rest);
    }
  });

  it("says why each default is there", async () => {
    const { config } = await load({ kind: "default" });
    const shown = showConfig(config, registry, "yaml");
    for (const { type, origin } of config.plugins) {
      expect(shown).toContain(`type: ${type}`);
      if (origin?.kind === "default") expect(shown).toContain(`# default: ${origin.reason}`);
    }
    expect(shown).toMatch(/# default.*\n\s+maxNumOfEndpoints: 1/);
  });
});
