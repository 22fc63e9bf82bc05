import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/base/errors.ts";
import { BUILTIN_PLUGINS } from "../../../src/builtins.ts";
import { PluginRegistry } from "../../../src/framework/registry.ts";

describe("plugin registry", () => {
  it("gives each built-in by its type, in the order of the list", () => {
    const registry = new PluginRegistry(BUILTIN_PLUGINS);
    expect(registry.definitions).toEqual(BUILTIN_PLUGINS);
    for (const definition of BUILTIN_PLUGINS) expect(registry.get(definition.type)).toBe(definition);
  });

  it("an unknown type is a fault of the configuration, and the nearest known one is named", () => {
    const registry = new PluginRegistry(BUILTIN_PLUGINS);
    expect(() => registry.get("best-of-all")).toThrow(ConfigError);
    expect(() => registry.get("best-of-all")).toThrow('"best-of-all" is not known; "epp config types" lists');
    expect(() => registry.get("queue-scorr")).toThrow('is not known; did you mean "queue-scorer"?');
  });

  it("two definitions of one type are a programmer's error", () => {
    expect(() => new PluginRegistry([...BUILTIN_PLUGINS, ...BUILTIN_PLUGINS.slice(0, 1)])).toThrow(/two plugins have/);
  });
});
