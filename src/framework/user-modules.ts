/**
 * Plugins that a user brings: ES modules whose default export is a plugin definition. Loads them, for a configuration
 * or for another thread: every thread loads them for itself, so a module's state is its thread's. What a module may
 * export stands in `user-plugin.ts`; its calls are watched by `scheduling/plugin-guard.ts`.
 */
import { statSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type Clock, systemClock, type Timer } from "../base/clock.ts";
import { ConfigError } from "../base/errors.ts";
import type { PluginDefinition } from "./plugin.ts";
import { MODULE_TYPE, type PluginRegistry } from "./registry.ts";
import { describeError, userDefinition } from "./user-plugin.ts";

/** A module that waits for something at its top level must not hold up the start for ever. */
export const LOAD_MS_MAX = 10_000;

/** A file that is to be loaded, as one thread tells another. */
export interface ModuleFile {
  /** Absolute. */
  readonly file: string;
  /** The instance of type `module` that it is; absent for one that joins the registry by its own type. */
  readonly instance?: string;
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
  for (const [index, { type }] of definitions.entries()) {
    const isBuiltIn = registry.has(type);
    if (!isBuiltIn && definitions.findIndex((other) => other.type === type) === index) continue;
    const taken = isBuiltIn ? "is built in" : "another module has, too";
    throw new ConfigError(`a module has the type "${type}", which ${taken}; rename its type`);
  }
  return registry.with(definitions, byInstance);
}

/**
 * The definition that a module exports. `budgetMs`: time of one call where the instance's parameters do not say. Throws
 * a ConfigError that names the file and what is wrong with it.
 */
export async function loadUserModule(
  file: string,
  budgetMs: number,
  clock: Clock = systemClock,
): Promise<PluginDefinition> {
  const fail = (what: string, cause?: unknown): ConfigError => new ConfigError(`${file} ${what}`, { cause });
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat?.isFile() !== true) throw fail("is no file");
  let loaded: { readonly default?: unknown };
  try {
    // The version lets a changed file be loaded anew: modules are kept by address for the life of a thread.
    const address = `${pathToFileURL(file).href}?version=${stat.mtimeMs}-${stat.size}`;
    loaded = await within(LOAD_MS_MAX, clock, import(address) as Promise<typeof loaded>);
  } catch (error) {
    throw fail(`cannot be loaded as an ES module: ${describeError(error)}`, error);
  }
  if (loaded.default === undefined) throw fail("has no default export; export a plugin definition as default");
  const definition = userDefinition(loaded.default, budgetMs, fail);
  filesOfDefinitions.set(definition, file);
  return definition;
}

/** What the promise resolves to. Rejects when that takes longer. */
async function within<Value>(limitMs: number, clock: Clock, promise: Promise<Value>): Promise<Value> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = clock.setTimeout(() => reject(new Error(`it is not ready after ${limitMs / 1_000} s`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer?.cancel();
  }
}
