import { describe, expect, it } from "vitest";
import { formatPluginStates, type NamedPlugin } from "../../../src/framework/plugin-states.ts";

function plugin(name: string, dumpState?: () => unknown): NamedPlugin {
  return { name, type: `${name}-type`, plugin: dumpState === undefined ? {} : { dumpState } };
}

function read(...plugins: NamedPlugin[]): unknown {
  return JSON.parse(formatPluginStates(plugins));
}

describe("states of plugins", () => {
  it("are told by name, with the type; plugins without a state are left out", () => {
    expect(
      read(
        plugin("a", () => ({ sessions: 3 })),
        plugin("b"),
        plugin('c"', () => null),
      ),
    ).toEqual({
      a: { type: "a-type", state: { sessions: 3 } },
      'c"': { type: 'c"-type', state: null },
    });
    expect(read()).toEqual({});
  });

  it.each([
    { what: "nothing", dump: () => undefined, entry: { state: null } },
    { what: "a function", dump: () => () => 1, entry: { state: null } },
  ])("a state that is $what is null", ({ dump, entry }) => {
    expect(read(plugin("a", dump))).toEqual({ a: { type: "a-type", ...entry } });
  });

  it("a plugin that throws, or whose state is no JSON, costs only its own entry", () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    const states = read(
      plugin("throws", () => {
        throw new Error("no state today");
      }),
      plugin("cycle", () => cycle),
      plugin("big", () => 1n),
      plugin("fine", () => 1),
    );
    expect(states).toMatchObject({
      throws: { error: "no state today" },
      cycle: { error: expect.stringContaining("circular") },
      big: { error: expect.stringContaining("BigInt") },
      fine: { state: 1 },
    });
  });

  it("a state of more than 64 KiB is left out with its size; others stay", () => {
    const states = read(
      plugin("large", () => "x".repeat(64 * 1024)),
      plugin("fine", () => "x".repeat(64 * 1024 - 2)),
    );
    expect(states).toMatchObject({
      large: { omitted: "its state has 65538 characters" },
      fine: { state: expect.stringMatching(/^x+$/) },
    });
  });

  it("all states together have at most 1 MiB", () => {
    const plugins = Array.from({ length: 40 }, (_, index) => plugin(`p${index}`, () => "x".repeat(60_000)));
    const text = formatPluginStates(plugins);
    expect(text.length).toBeLessThan(1024 * 1024 + 40 * 200);
    const states = Object.values(JSON.parse(text) as Record<string, object>);
    expect(states.filter((state) => "state" in state)).toHaveLength(17);
    expect(states.filter((state) => "omitted" in state)).toHaveLength(23);
  });
});
