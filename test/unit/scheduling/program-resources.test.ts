/** What compiled programs read besides the scraped columns: masks, columns, sessions, and what producers supply. */
import { describe, expect, it } from "vitest";
import { BUILTIN_PLUGINS } from "../../../src/builtins.ts";
import type { PluginInstance, ProfilePlugin } from "../../../src/config/config.ts";
import { PluginRegistry } from "../../../src/framework/registry.ts";
import { compilePolicy, type PolicyConfig } from "../../../src/scheduling/policy.ts";
import { layout } from "../../../src/wasm/layout.ts";

const registry = new PluginRegistry(BUILTIN_PLUGINS);
const plugin = (type: string, changes: Partial<PluginInstance> = {}): PluginInstance => {
  return { name: type, type, parameters: {}, ...changes };
};
const ref = (pluginRef: string): ProfilePlugin => ({ pluginRef });

const HANDLER = plugin("single-profile-handler");
const QUEUE = plugin("queue-scorer");

/** A configuration of these plugins beside the handler, and one profile. */
function config(plugins: readonly PluginInstance[], profile: readonly ProfilePlugin[]): PolicyConfig {
  return { plugins: [HANDLER, ...plugins], schedulingProfiles: [{ name: "default", plugins: profile }] };
}

describe("what programs read", () => {
  it("filters run in the order of the profile, each with its own selection by label", () => {
    const selector = plugin("label-selector-filter", { name: "gpu", parameters: { matchLabels: { gpu: "h100" } } });
    const compiled = compilePolicy(
      config([plugin("decode-filter"), selector], [ref("gpu"), ref("decode-filter"), ref("gpu")]),
      registry,
    );
    expect(compiled.profiles[0]?.filters).toEqual(["gpu", "decode-filter", "gpu"]);
    expect(compiled.program.profiles[0]?.filters).toMatchObject([
      { op: layout.FILTER_LABELS, mask: 0 },
      { op: layout.FILTER_LABELS, mask: 1 },
      { op: layout.FILTER_LABELS, mask: 0 },
    ]);
    const [gpu, decode] = compiled.labelMasks;
    expect([
      gpu?.({ gpu: "h100" }),
      gpu?.({ gpu: "l4" }),
      decode?.({}),
      decode?.({ "llm-d.ai/role": "prefill" }),
    ]).toEqual([true, false, true, false]);
  });

  it("numbers made of labels stand in columns, whose numbers the control thread gives", () => {
    const aware = plugin("context-length-aware", { parameters: { enableFiltering: true } });
    const compiled = compilePolicy(config([aware], [ref("context-length-aware")]), registry);
    expect(compiled.columns).toHaveLength(2);
    const [profile] = compiled.programWith([7, 9]).profiles;
    expect([profile?.filters[0], profile?.scorers[0]?.program]).toMatchObject([
      { op: layout.FILTER_CONTEXT_LENGTH, column: 7, operand: 9 },
      { op: layout.SCORER_CONTEXT_LENGTH, column: 7, operand: 9 },
    ]);
  });

  it("a scorer and a filter of one plugin share the session, and two plugins do not", () => {
    const session = { strategy: "session_id" };
    const plugins = ["one", "two"].flatMap((name) => [
      plugin("session-affinity-scorer", { name: `${name}-scorer`, parameters: session }),
    ]);
    const compiled = compilePolicy(config(plugins, [ref("one-scorer"), ref("two-scorer")]), registry);
    expect(compiled.profiles[0]?.sessions).toEqual([0, 1]);
    expect(compiled.program.profiles[0]?.scorers.map(({ program }) => program.operand)).toEqual([0, 1]);
    expect(compiled.requestStages?.sessions.map(({ name }) => name)).toEqual(["one-scorer", "two-scorer"]);
    expect(compiled.headers).toEqual(["x-session-id"]);
  });

  it("creates the producers that plugins need, in the order in which they run", () => {
    const compiled = compilePolicy(
      {
        ...config([plugin("prefix-cache-scorer")], [ref("prefix-cache-scorer")]),
        plugins: [HANDLER, plugin("prefix-cache-scorer")],
      },
      registry,
    );
    expect(compiled.plugins.map(({ name }) => name)).toEqual([
      "single-profile-handler",
      "prefix-cache-scorer",
      "approx-prefix-cache-producer",
      "token-producer",
    ]);
    expect(compiled.prefixCache?.blockSizeTokens).toBe(64);
  });

  it("without a need for prefix matches there is no prefix cache, and one block at most is hashed", () => {
    const compiled = compilePolicy({ ...config([QUEUE], [ref("queue-scorer")]), plugins: [HANDLER, QUEUE] }, registry);
    expect(compiled.prefixCache).toBeUndefined();
    expect(compiled.program).toMatchObject({ blockSize: 256, blocksMax: 1 });
  });

  it("the detector is the kernel's program", () => {
    const given = { ...config([plugin("utilization-detector")], []), saturationDetector: "utilization-detector" };
    expect(compilePolicy(given as PolicyConfig, registry).program.detector).toMatchObject({
      op: layout.DETECTOR_UTILIZATION,
    });
    expect(compilePolicy(config([], []), registry).program.detector).toBeUndefined();
  });

  it("a profile handler inside of a profile has no effect", () => {
    const compiled = compilePolicy(config([QUEUE], [ref("single-profile-handler"), ref("queue-scorer")]), registry);
    expect(compiled.profiles[0]?.scorers).toHaveLength(1);
  });
});
