/**
 * Loads a configuration from a file, from the command line or from nothing: reads it, loads the modules it names, makes
 * it explicit. Every fault comes with file, line, column, path and remedy.
 *
 *   text ─► document (schema.ts) ─► modules ─► explicit configuration (complete.ts)
 */
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { ConfigError, messageOf } from "../base/errors.ts";
import type { PluginDefinition } from "../framework/plugin.ts";
import { MODULE_TYPE, type PluginRegistry } from "../framework/registry.ts";
import { ConfigFindings, completeConfig } from "./complete.ts";
import type { ConfigPath, EndpointPickerConfig } from "./config.ts";
import { CONFIG_SIZE_MAX, DEFAULT_DOCUMENT } from "./defaults.ts";
import type { Finding } from "./instance-table.ts";
import { faults, type LocatedDocument, locateDocument } from "./located-document.ts";
import { type ConfigDocument, documentSchema } from "./schema.ts";

export type ConfigSource =
  | { readonly kind: "file"; readonly path: string }
  /** `name`: what the text is called in errors. */
  | { readonly kind: "text"; readonly text: string; readonly name: string }
  /** The built-in configuration. */
  | { readonly kind: "default" };

export interface LoadOptions {
  readonly registry: PluginRegistry;
  readonly allowExperimental: boolean;
  /** Imports a user's module. `file` is absolute. Throws a ConfigError. */
  readonly loadModule: (file: string) => Promise<PluginDefinition>;
}

export interface LoadedConfig {
  readonly config: EndpointPickerConfig;
  /** With the modules that the configuration names. */
  readonly registry: PluginRegistry;
  /** What works, but not as somebody may think. Each with its place. */
  readonly warnings: readonly string[];
  /** Adds file and line to an error that has a path. */
  locate(error: ConfigError): ConfigError;
}

/** Throws a ConfigError that lists all faults. */
export async function loadConfig(source: ConfigSource, options: LoadOptions): Promise<LoadedConfig> {
  const document = readDocument(source);
  const locate = (error: ConfigError): ConfigError => locateError(document, error);
  try {
    const baseFolder = source.kind === "file" ? dirname(resolve(source.path)) : process.cwd();
    const modules = await loadModules(document.value, baseFolder, options.loadModule);
    const registry = options.registry.with([], modules);
    const { config, warnings } = completeConfig(document.value, { ...options, registry });
    return { config, registry, warnings: warnings.map((finding) => describe(document, finding)), locate };
  } catch (error) {
    if (error instanceof ConfigError) throw locate(error);
    throw error;
  }
}

function readDocument(source: ConfigSource): LocatedDocument<ConfigDocument> {
  switch (source.kind) {
    case "default":
      return locateDocument(JSON.stringify(DEFAULT_DOCUMENT), "the built-in configuration", documentSchema);
    case "text":
      return locateDocument(source.text, source.name, documentSchema);
    case "file":
      return locateDocument(readText(source.path), source.path, documentSchema);
  }
}

function readText(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > CONFIG_SIZE_MAX) throw new ConfigError(`has ${size} bytes; at most ${CONFIG_SIZE_MAX} are read`);
    return readFileSync(path, "utf8");
  } catch (error) {
    const reason = error instanceof ConfigError ? error.message : `cannot be read: ${messageOf(error)}`;
    throw new ConfigError(`${path}: ${reason}; name a readable file with --config-file`, { cause: error });
  }
}

/** The modules that instances of type `module` are, by instance name. */
async function loadModules(
  { plugins }: ConfigDocument,
  baseFolder: string,
  loadModule: LoadOptions["loadModule"],
): Promise<ReadonlyMap<string, PluginDefinition>> {
  const modules = new Map<string, PluginDefinition>();
  for (const [index, { name, type, parameters }] of (plugins ?? []).entries()) {
    if (type !== MODULE_TYPE) continue;
    const path: ConfigPath = ["plugins", index, "parameters", "path"];
    const file = parameters?.["path"];
    if (typeof file !== "string" || file === "") {
      throw new ConfigError("must be the path of a module, like ./my-plugin.mjs", { path });
    }
    try {
      modules.set(name ?? type, await loadModule(resolve(baseFolder, file)));
    } catch (error) {
      if (error instanceof ConfigError) throw new ConfigError(error.message, { path, cause: error });
      throw error;
    }
  }
  return modules;
}

function locateError(document: LocatedDocument<unknown>, error: ConfigError): ConfigError {
  if (error instanceof ConfigFindings) return faults(error.findings.map((finding) => describe(document, finding)));
  if (error.path === undefined) return error;
  return new ConfigError(document.describe(error.path, error.message), { cause: error });
}

function describe(document: LocatedDocument<unknown>, { path, message }: Finding): string {
  return document.describe(path, message);
}
