/**
 * Loads a configuration with all plugins that there are: the built-in ones, those that are known but not available, and
 * the user's modules. The picker and `epp config` read configurations through this, and so alike.
 */
import { resolve } from "node:path";
import { BUILTIN_PLUGINS } from "./builtins.ts";
import { PLUGIN_BUDGET_MS } from "./config/defaults.ts";
import { type ConfigSource, type LoadedConfig, loadConfig } from "./config/load.ts";
import { PluginRegistry } from "./framework/registry.ts";
import { loadUserModule, registerModules } from "./framework/user-modules.ts";
import { PLANNED_PLUGINS } from "./plugins/planned.ts";

export interface ConfigurationOptions {
  /** Modules whose plugins join the built-in types. Relative to the working directory. */
  readonly pluginPaths: readonly string[];
  readonly allowExperimental: boolean;
}

/** All types without any module of a user. */
export const BUILTIN_REGISTRY: PluginRegistry = new PluginRegistry(BUILTIN_PLUGINS, PLANNED_PLUGINS);

/** Throws a ConfigError that lists all faults with their places. */
export async function loadConfiguration(
  source: ConfigSource,
  { pluginPaths, allowExperimental }: ConfigurationOptions,
): Promise<LoadedConfig> {
  const files = pluginPaths.map((path) => ({ file: resolve(path) }));
  const registry = await registerModules(BUILTIN_REGISTRY, files, PLUGIN_BUDGET_MS);
  const loadModule: Parameters<typeof loadConfig>[1]["loadModule"] = (file) => loadUserModule(file, PLUGIN_BUDGET_MS);
  return loadConfig(source, { registry, allowExperimental, loadModule });
}

/** The configuration of a picker that is given none. */
export function loadBuiltInConfiguration(): Promise<LoadedConfig> {
  return loadConfiguration({ kind: "default" }, { pluginPaths: [], allowExperimental: false });
}
