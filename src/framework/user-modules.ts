/**
 * Plugins that a user brings: ES modules whose default export is a plugin definition. Loads and checks them, and makes
 * of each a definition like the built-in ones. Every thread loads them for itself: a module's state is its thread's.
 *
 * What a module does when it is called is watched by `scheduling/plugin-guard.ts`; here only its shape is checked.
 */
import { statSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { ConfigError, messageOf } from "../base/errors.ts";
import type { DataKey } from "./attributes.ts";
import type { DataNeeds, Facet, Plugin, PluginDefinition } from "./plugin.ts";
import { MODULE_TYPE, type PluginRegistry } from "./registry.ts";

/** What a user's module may be. */
const USER_FACETS: readonly Facet[] = ["filter", "scorer", "picker", "producer", "admitter", "hook", "parser"];

/** Longest time that one call may be given. A request waits for each of them. */
const BUDGET_MS_MAX = 1_000;

/** A file that is to be loaded, as one thread tells another. */
export interface ModuleFile {
  /** Absolute. */
  readonly file: string;
  /** The instance of type `module` that it is; absent for one that joins the registry by its own type. */
  readonly instance?: string;
}

/** Parameters of a user's plugin after their check. */
export interface UserParameters {
  readonly budgetMs: number;
  /** The rest, as the module's own check left it. */
  readonly own: unknown;
}

/** Files of the definitions that modules gave. */
const filesOfDefinitions = new WeakMap<PluginDefinition, string>();

/** Whether a definition is a user's; then its checked parameters are `UserParameters`. */
export function isUserDefinition(definition: PluginDefinition): boolean {
  return filesOfDefinitions.has(definition);
}

/** The modules that these instances use, for a thread that has to load them, too. */
export function moduleFilesOf(
  instances: readonly { readonly name: string; readonly type: string }[],
  registry: PluginRegistry,
): ModuleFile[] {
  const found = new Map<string, ModuleFile>();
  for (const { name, type } of instances) {
    const file = filesOfDefinitions.get(registry.definitionFor({ name, type }));
    if (file === undefined) continue;
    if (type === MODULE_TYPE) found.set(`instance ${name}`, { file, instance: name });
    else found.set(`type ${type}`, { file });
  }
  return [...found.values()];
}

/** The registry with these modules. Throws as `loadUserModule` does. */
export async function registerModules(
  registry: PluginRegistry,
  files: readonly ModuleFile[],
  budgetMs: number,
): Promise<PluginRegistry> {
  const definitions: PluginDefinition[] = [];
  const byInstance = new Map<string, PluginDefinition>();
  for (const { file, instance } of files) {
    const definition = await loadUserModule(file, budgetMs);
    if (instance === undefined) definitions.push(definition);
    else byInstance.set(instance, definition);
  }
  for (const { type } of definitions) {
    if (registry.has(type))
      throw new ConfigError(`a module has the type "${type}", which is built in; rename its type`);
  }
  return registry.with(definitions, byInstance);
}

/**
 * The definition that a module exports. `budgetMs`: time of one call where the instance's parameters do not say. Throws
 * a ConfigError that names the file and what is wrong with it.
 */
export async function loadUserModule(file: string, budgetMs: number): Promise<PluginDefinition> {
  const fail = (what: string, cause?: unknown): ConfigError => new ConfigError(`${file} ${what}`, { cause });
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat?.isFile() !== true) throw fail("is no file");
  let loaded: { readonly default?: unknown };
  try {
    // The version lets a changed file be loaded anew: modules are kept by address for the life of a thread.
    loaded = (await import(`${pathToFileURL(file).href}?version=${stat.mtimeMs}-${stat.size}`)) as typeof loaded;
  } catch (error) {
    throw fail(`cannot be loaded as an ES module: ${describe(error)}`, error);
  }
  if (loaded.default === undefined) throw fail("has no default export; export a plugin definition as default");
  const definition = readDefinition(loaded.default, budgetMs, fail);
  filesOfDefinitions.set(definition, file);
  return definition;
}

/** The default export of a module, as far as it is right. */
interface UserDefinition {
  readonly type: string;
  readonly facets: readonly Facet[];
  readonly summary?: string;
  readonly parameters?: ((value: unknown) => unknown) | z.ZodType;
  readonly consumes?: (parameters: unknown) => DataNeeds;
  readonly produces?: (parameters: unknown) => readonly DataKey[];
  readonly create: PluginDefinition["create"];
}

function readDefinition(exported: unknown, budgetMs: number, fail: (what: string) => ConfigError): PluginDefinition {
  const given = checkShape(exported, fail);
  const { consumes, produces } = given;
  const definition: PluginDefinition<UserParameters> = {
    type: given.type,
    stability: "stable",
    summary: given.summary ?? "A user's plugin.",
    facets: given.facets,
    parameters: parametersSchema(given, budgetMs),
    ...(consumes && { consumes: ({ own }) => consumes.call(given, own) }),
    ...(produces && { produces: ({ own }) => produces.call(given, own) }),
    create: ({ own }, context) => createChecked(given, own, context),
  };
  return definition as PluginDefinition;
}

function checkShape(exported: unknown, fail: (what: string) => ConfigError): UserDefinition {
  if (!isRecord(exported)) throw fail("has a default export that is no object with type, facets and create");
  const { type, facets, create, parameters, consumes, produces, summary } = exported;
  if (typeof type !== "string" || !/^[\w.-]+$/.test(type)) {
    throw fail('has a default export without a usable "type": a name of letters, digits, "-", "_" and "."');
  }
  if (!Array.isArray(facets) || facets.length === 0 || !facets.every((facet) => USER_FACETS.includes(facet as Facet))) {
    throw fail(`has a default export without usable "facets": a list of ${USER_FACETS.join(", ")}`);
  }
  if (typeof create !== "function") throw fail('has a default export without a function "create"');
  const optional = { consumes, produces };
  for (const [name, value] of Object.entries(optional)) {
    if (value !== undefined && typeof value !== "function")
      throw fail(`has a default export whose "${name}" is no function`);
  }
  if (parameters !== undefined && typeof parameters !== "function" && !isSchema(parameters)) {
    throw fail('has a default export whose "parameters" is no function that checks them');
  }
  if (summary !== undefined && typeof summary !== "string")
    throw fail('has a default export whose "summary" is no text');
  return exported as unknown as UserDefinition;
}

/** Takes what the picker reads out of the parameters, and lets the module check the rest. */
function parametersSchema({ parameters }: UserDefinition, budgetMs: number): z.ZodType<UserParameters> {
  const budgetRule = `must be a time in ms, above 0 and up to ${BUDGET_MS_MAX}`;
  return z
    .looseObject({
      path: z.string().optional(),
      budgetMs: z.number({ error: budgetRule }).positive(budgetRule).max(BUDGET_MS_MAX, budgetRule).default(budgetMs),
    })
    .transform(({ path: _, budgetMs: own, ...rest }, context) => {
      try {
        return { budgetMs: own, own: checkOwn(parameters, rest) };
      } catch (error) {
        context.addIssue({
          code: "custom",
          message: error instanceof z.ZodError ? z.prettifyError(error) : describe(error),
        });
        return z.NEVER;
      }
    });
}

function checkOwn(check: UserDefinition["parameters"], value: unknown): unknown {
  if (check === undefined) return value;
  return typeof check === "function" ? check(value) : check.parse(value);
}

/** The functions that an instance must have for each facet. */
const FACET_FUNCTIONS: Readonly<Partial<Record<Facet, readonly [property: string, method: string]>>> = {
  filter: ["filter", "filter"],
  scorer: ["scorer", "score"],
  picker: ["picker", "pick"],
  producer: ["producer", "produce"],
  admitter: ["admitter", "admit"],
  parser: ["parser", "parse"],
};

function createChecked(
  given: UserDefinition,
  own: unknown,
  context: Parameters<PluginDefinition["create"]>[1],
): Plugin {
  let plugin: unknown;
  try {
    plugin = given.create(own, context);
  } catch (error) {
    throw new ConfigError(`create of "${given.type}" threw: ${describe(error)}`, { cause: error });
  }
  if (!isRecord(plugin) || typeof plugin["then"] === "function") {
    throw new ConfigError(`create of "${given.type}" returned no plugin; it must return an object, not a promise`);
  }
  for (const facet of given.facets) {
    const [property, method] = FACET_FUNCTIONS[facet] ?? ["hooks", undefined];
    const part = plugin[property];
    if (isRecord(part) && (method === undefined || typeof part[method] === "function")) continue;
    const wanted = method === undefined ? property : `${property}.${method}`;
    throw new ConfigError(`create of "${given.type}" returned no ${wanted}, though "facets" names ${facet}`);
  }
  checkPlugin(plugin, given.type);
  return plugin;
}

function checkPlugin(plugin: Record<string, unknown>, type: string): void {
  for (const property of ["headers", "sharedColumns"]) {
    const value = plugin[property];
    if (value === undefined || (Array.isArray(value) && value.every((entry) => typeof entry === "string"))) continue;
    throw new ConfigError(`create of "${type}" returned ${property} that is no list of names`);
  }
  const parser = plugin["parser"];
  if (
    isRecord(parser) &&
    !(Array.isArray(parser["claims"]) && parser["claims"].every((claim) => typeof claim === "string"))
  ) {
    throw new ConfigError(`create of "${type}" returned a parser without "claims", a list of path endings`);
  }
}

function isSchema(value: unknown): boolean {
  return isRecord(value) && typeof value["parse"] === "function";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** With the kind of error, and without its stack, which names places of the picker. */
function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : messageOf(error);
}
