import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { ConfigError } from "../../../src/base/errors.ts";
import type { PluginDefinition } from "../../../src/framework/plugin.ts";
import { PluginRegistry } from "../../../src/framework/registry.ts";
import {
  isUserDefinition,
  LOAD_MS_MAX,
  loadUserModule,
  moduleFilesOf,
  registerModules,
} from "../../../src/framework/user-modules.ts";
import { testContext } from "../../support/plugins.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A module file of its own; its path. */
function moduleFile(text: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), "magpie-module-"));
  folders.push(folder);
  const file = path.join(folder, "plugin.mjs");
  writeFileSync(file, text);
  return file;
}

const SCORER = `export default {
  type: "even-scorer",
  facets: ["scorer"],
  create: (parameters, { name }) => ({ scorer: { score() {} }, dumpState: () => ({ name, parameters }) }),
};`;

const load = (text: string): Promise<PluginDefinition> => loadUserModule(moduleFile(text), 1);

/** What an instance of the module with these parameters shows of itself. */
function stateOf(definition: PluginDefinition, parameters: unknown): unknown {
  return definition.create(definition.parameters.parse(parameters), testContext).dumpState?.();
}

describe("a user's module", () => {
  it("becomes a definition like the built-in ones", async () => {
    const definition = await load(SCORER);
    expect(definition).toMatchObject({ type: "even-scorer", facets: ["scorer"], stability: "stable" });
    expect(isUserDefinition(definition)).toBe(true);
    expect(stateOf(definition, { path: "./plugin.mjs", weight: 3 })).toEqual({
      name: "test",
      parameters: { weight: 3 },
    });
  });

  it("gets its parameters as its own check left them", async () => {
    const checked = SCORER.replace("create:", "parameters: ({ regions }) => ({ count: regions.length }), create:");
    const definition = await load(checked);
    expect(stateOf(definition, { regions: ["a", "b"] })).toMatchObject({ parameters: { count: 2 } });
    const parsed = definition.parameters.safeParse({});
    expect(parsed.error?.issues[0]?.message).toMatch(/^TypeError: .*undefined/);
  });

  it.each([
    { given: {}, budgetMs: 1 },
    { given: { budgetMs: 5 }, budgetMs: 5 },
    { given: { budgetMs: 0.25 }, budgetMs: 0.25 },
  ])("has a budget of $budgetMs ms with $given", async ({ given, budgetMs }) => {
    expect((await load(SCORER)).parameters.parse(given)).toEqual({ budgetMs, own: {} });
  });

  it.each([0, -1, 1_001, "fast"])("a budget of %s is a fault", async (budgetMs) => {
    const { error } = (await load(SCORER)).parameters.safeParse({ budgetMs });
    expect(error?.issues[0]?.message).toBe("must be a time in ms, above 0 and up to 1000");
  });

  it("says what it consumes and produces, by its own parameters", async () => {
    const definition = await load(
      SCORER.replace(
        "create:",
        'consumes: ({ key }) => ({ required: [{ key: { name: key } }] }), produces: () => [{ name: "mine" }], create:',
      ),
    );
    const parameters = definition.parameters.parse({ key: "other" });
    expect(definition.consumes?.(parameters)).toEqual({ required: [{ key: { name: "other" } }] });
    expect(definition.produces?.(parameters)).toEqual([{ name: "mine" }]);
  });

  it("is loaded anew once its file has changed", async () => {
    const file = moduleFile(SCORER);
    expect((await loadUserModule(file, 1)).type).toBe("even-scorer");
    writeFileSync(file, SCORER.replace("even-scorer", "odd-scorer-2"));
    expect((await loadUserModule(file, 1)).type).toBe("odd-scorer-2");
  });
});

describe("a registry with modules", () => {
  it("knows them by their type or by their instance, and tells another thread which files it needs", async () => {
    const [typed, single] = [moduleFile(SCORER), moduleFile(SCORER.replace("even", "single"))];
    const files = [{ file: typed }, { file: single, instance: "mine" }];
    const registry = await registerModules(new PluginRegistry([]), files, 1);
    const instances = [
      { name: "a", type: "even-scorer" },
      { name: "b", type: "even-scorer" },
      { name: "mine", type: "module" },
    ];
    expect(instances.map((instance) => registry.definitionFor(instance).type)).toEqual([
      "even-scorer",
      "even-scorer",
      "single-scorer",
    ]);
    expect(moduleFilesOf(instances, registry)).toEqual(files);
  });

  it("refuses a module whose type is built in", async () => {
    const builtIn = await load(SCORER);
    await expect(registerModules(new PluginRegistry([builtIn]), [{ file: moduleFile(SCORER) }], 1)).rejects.toThrow(
      'a module has the type "even-scorer", which is built in; rename its type',
    );
  });
});

it("two modules of one type are refused", async () => {
  const files = [{ file: moduleFile(SCORER) }, { file: moduleFile(SCORER) }];
  await expect(registerModules(new PluginRegistry([]), files, 1)).rejects.toThrow(
    'a module has the type "even-scorer", which another module has, too; rename its type',
  );
});

describe("a module that cannot be used", () => {
  const exporting = (text: string): string => `export default ${text};`;
  const withParts = (facet: string, plugin: string): string =>
    exporting(`{ type: "t", facets: ["${facet}"], create: () => (${plugin}) }`);

  it.each([
    { name: "a syntax error", text: "export default {", fault: /cannot be loaded as an ES module: \w*Error: / },
    { name: "a missing import", text: 'import "./gone.mjs";', fault: /cannot be loaded.*gone\.mjs/ },
    {
      name: "a throwing module",
      text: 'throw new TypeError("at load");',
      fault: /cannot be loaded.*TypeError: at load/,
    },
    { name: "no default export", text: "export const a = 1;", fault: /has no default export; export a plugin/ },
    { name: "a text", text: exporting('"text"'), fault: /has a default export that is no object/ },
    { name: "no type", text: exporting('{ facets: ["scorer"], create() {} }'), fault: /without a usable "type"/ },
    {
      name: "no facets",
      text: exporting('{ type: "t", create() {} }'),
      fault: /without usable "facets": a list of filter, /,
    },
    {
      name: "a facet that is not a user's",
      text: exporting('{ type: "t", facets: ["discovery"], create() {} }'),
      fault: /facets/,
    },
    { name: "no create", text: exporting('{ type: "t", facets: ["scorer"] }'), fault: /without a function "create"/ },
    {
      name: "parameters that check nothing",
      text: SCORER.replace("create:", "parameters: {}, create:"),
      fault: /"parameters"/,
    },
    {
      name: "consumes that is a list",
      text: SCORER.replace("create:", "consumes: [], create:"),
      fault: /"consumes" is no/,
    },
  ])("$name", async ({ text, fault }) => {
    const file = moduleFile(text);
    const error: unknown = await loadUserModule(file, 1).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as Error).message).toMatch(fault);
    expect((error as Error).message).toContain(file);
  });

  it("one that waits for something at its top level, for ever", async () => {
    const clock = new ManualClock();
    const loading = loadUserModule(moduleFile("await new Promise(() => undefined);"), 1, clock);
    clock.advance(LOAD_MS_MAX);
    await expect(loading).rejects.toThrow(
      /plugin\.mjs cannot be loaded as an ES module: Error: it is not ready after 10 s/,
    );
    expect(clock.pendingCount).toBe(0);
  });

  it("a file that is not there", async () => {
    await expect(loadUserModule("/nowhere/plugin.mjs", 1)).rejects.toThrow("/nowhere/plugin.mjs is no file");
  });

  it.each([
    {
      name: "throws",
      text: SCORER.replace(/create:.*/, 'create() { throw new Error("no luck"); },'),
      fault: /threw: Error: no luck/,
    },
    { name: "returns nothing", text: withParts("scorer", "undefined"), fault: /returned no plugin/ },
    { name: "returns a promise", text: withParts("scorer", "Promise.resolve({})"), fault: /not a promise/ },
    {
      name: "returns no scorer",
      text: withParts("scorer", "{}"),
      fault: /returned no scorer\.score, though "facets" names scorer/,
    },
    {
      name: "returns a kernel program",
      text: withParts("filter", '{ filter: { op: "labels" } }'),
      fault: /no filter\.filter/,
    },
    { name: "returns no hooks", text: withParts("hook", "{}"), fault: /returned no hooks/ },
    {
      name: "returns headers that are a text",
      text: withParts("hook", '{ hooks: {}, headers: "a" }'),
      fault: /headers that is no list/,
    },
    {
      name: "returns a parser without claims",
      text: withParts("parser", "{ parser: { parse() {} } }"),
      fault: /without "claims"/,
    },
    {
      name: "returns a part that no facet names",
      text: withParts("hook", "{ hooks: {}, profileHandler: {} }"),
      fault: /returned profileHandler, which "facets" does not name/,
    },
    {
      name: "returns a program of the kernel",
      text: withParts("scorer", '{ scorer: { op: "queueDepth", score() {} } }'),
      fault: /returned a part with "op"/,
    },
    {
      name: "returns a prefix cache",
      text: withParts("producer", "{ producer: { produce() {}, prefixCache: {} } }"),
      fault: /returned a producer of prefix matches, load or tokens/,
    },
    {
      name: "returns what images and videos count as",
      text: withParts("producer", "{ producer: { produce() {}, assetTokens: {} } }"),
      fault: /returned a producer of prefix matches, load or tokens/,
    },
    {
      name: "returns a picker that does not say how many it names",
      text: withParts("picker", "{ picker: { pick() {} } }"),
      fault: /returned a picker without "targetsMax"/,
    },
    {
      name: "returns a need for bodies of responses that is neither true nor false",
      text: withParts("hook", '{ hooks: {}, needsResponseBody: "yes" }'),
      fault: /whose "needsResponseBody" is neither true nor false/,
    },
  ])("create that $name", async ({ text, fault }) => {
    const definition = await load(text);
    const create = (): unknown => definition.create(definition.parameters.parse({}), testContext);
    expect(create).toThrow(ConfigError);
    expect(create).toThrow(fault);
  });

  it.each([
    {
      name: "consumes that throws",
      text: 'consumes() { throw new Error("no idea"); }',
      fault: 'consumes of "t" threw: Error: no idea',
    },
    {
      name: "consumes that returns a list",
      text: "consumes: () => []",
      fault: /^consumes of "t" returned no \{required/,
    },
    {
      name: "consumes of a nameless key",
      text: "consumes: () => ({ required: [{ key: {} }] })",
      fault: /^consumes of "t"/,
    },
    {
      name: "produces that throws",
      text: "produces: () => nothing.at.all",
      fault: /^produces of "t" threw: ReferenceError/,
    },
    {
      name: "produces that returns texts",
      text: 'produces: () => ["a"]',
      fault: 'produces of "t" returned no list of {name}',
    },
  ])("$name", async ({ text, fault }) => {
    const definition = await load(exporting(`{ type: "t", facets: ["hook"], create: () => ({ hooks: {} }), ${text} }`));
    const parameters = definition.parameters.parse({});
    const read = (): unknown => definition.consumes?.(parameters) ?? definition.produces?.(parameters);
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(fault);
  });
});
