import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/base/errors.ts";
import { BUILTIN_PLUGINS } from "../../../src/builtins.ts";
import { PluginRegistry } from "../../../src/framework/registry.ts";
import { createPlugin } from "../../support/plugins.ts";

describe("plugin registry", () => {
  it("gives each built-in by its type, in the order of the list", () => {
    const registry = new PluginRegistry(BUILTIN_PLUGINS);
    expect(registry.definitions).toEqual(BUILTIN_PLUGINS);
    for (const definition of BUILTIN_PLUGINS) expect(registry.get(definition.type)).toBe(definition);
  });

  it("an unknown type is a fault of the configuration and lists the known ones", () => {
    const registry = new PluginRegistry(BUILTIN_PLUGINS);
    expect(() => registry.get("best-scorer")).toThrow(ConfigError);
    expect(() => registry.get("best-scorer")).toThrow(
      `plugin type "best-scorer" is not known; known types: ${BUILTIN_PLUGINS.map(({ type }) => type).join(", ")}`,
    );
  });

  it("two definitions of one type are a programmer's error", () => {
    expect(() => new PluginRegistry([...BUILTIN_PLUGINS, ...BUILTIN_PLUGINS.slice(0, 1)])).toThrow(/two plugins have/);
  });
});

describe("built-in plugins", () => {
  it.each(BUILTIN_PLUGINS.map((definition) => [definition.type, definition] as const))(
    "%s can be created without parameters, and says in a sentence what it does",
    (_type, definition) => {
      expect(definition.parameters.safeParse({}).success).toBe(true);
      expect(createPlugin(definition)).toBeDefined();
      expect(definition.summary).toMatch(/^[A-Z].*\.$/);
    },
  );

  it.each(BUILTIN_PLUGINS.map((definition) => [definition.type, definition] as const))(
    "%s refuses a parameter that it does not know",
    (_type, definition) => {
      expect(definition.parameters.safeParse({ "no such thing": 1 }).success).toBe(false);
    },
  );
});
