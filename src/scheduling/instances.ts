/**
 * Creates the plugins of a configuration: each once, in the order of the file, with the producers that they need and
 * nobody configured behind them. Everything that can be wrong with a single plugin is found here.
 */
import { z } from "zod";
import { ConfigError } from "../base/errors.ts";
import type { PluginInstance } from "../config/config.ts";
import { completeDataGraph, type DataNode } from "../framework/data-graph.ts";
import type { CreateContext, Facet, Plugin, PluginDefinition, SharedColumn } from "../framework/plugin.ts";
import type { PluginRegistry } from "../framework/registry.ts";
import { isUserDefinition } from "../framework/user-modules.ts";
import type { UserParameters } from "../framework/user-plugin.ts";

export interface CreatedPlugin {
  readonly name: string;
  readonly type: string;
  readonly definition: PluginDefinition;
  readonly plugin: Plugin;
  /** Time of one call of a user's plugin; undefined for a built-in one. */
  readonly budgetMs: number | undefined;
  /** Where it stands; undefined for one that was created by default. */
  readonly path: ConfigError["path"];
}

export interface CreatedPlugins {
  /** By name, in the order of the configuration, created producers last. */
  readonly byName: ReadonlyMap<string, CreatedPlugin>;
  /** Producers of data, each after those whose data it consumes. */
  readonly producers: readonly CreatedPlugin[];
}

/** What the thread that creates plugins gives them. */
export type InstanceContext = Pick<CreateContext, "nowMs" | "random"> & {
  /** Tells of something in the configuration that works and should be changed. */
  readonly onWarning: (plugin: string, text: string) => void;
  readonly sharedColumn: (plugin: string, column: string) => SharedColumn;
};

/** Throws a ConfigError with the path of the plugin at fault. */
export function createPlugins(
  instances: readonly PluginInstance[],
  registry: PluginRegistry,
  context: InstanceContext,
): CreatedPlugins {
  const checked = new Map<string, CheckedInstance>();
  const add = (instance: PluginInstance, path: ConfigError["path"]): CheckedInstance => {
    const earlier = checked.get(instance.name);
    if (earlier !== undefined) {
      throw new ConfigError(
        `${placeOf(path)}: the name "${instance.name}" is taken by an earlier plugin; give it another one`,
        { path },
      );
    }
    const one = checkInstance(instance, path, registry);
    checked.set(instance.name, one);
    return one;
  };
  const given = instances.map((instance, index) => add(instance, pathOf(instance, index)));
  const graph = completeDataGraph(given.map(dataNode), (type) => {
    if (!registry.has(type)) return undefined;
    return dataNode(add({ name: type, type, parameters: {} }, undefined));
  });
  const names = new Map([...checked.values()].map(({ name, type }) => [name, type]));
  const byName = new Map<string, CreatedPlugin>();
  for (const one of checked.values()) byName.set(one.name, create(one, names, context));
  const producers = graph.producerOrder.map((name) => byName.get(name)).filter((plugin) => plugin !== undefined);
  return { byName, producers };
}

interface CheckedInstance {
  readonly name: string;
  readonly type: string;
  readonly definition: PluginDefinition;
  readonly parameters: unknown;
  readonly path: ConfigError["path"];
}

function pathOf({ origin }: PluginInstance, index: number): ConfigError["path"] {
  if (origin === undefined) return ["plugins", index];
  return origin.kind === "document" ? origin.path : undefined;
}

function checkInstance(
  { name, type, parameters: given }: PluginInstance,
  path: ConfigError["path"],
  registry: PluginRegistry,
): CheckedInstance {
  const definition = findDefinition(name, type, path, registry);
  const parsed = definition.parameters.safeParse(given ?? {});
  if (parsed.success) return { name, type, definition, parameters: parsed.data, path };
  const faults = z.prettifyError(parsed.error);
  const place = path === undefined ? undefined : [...path, "parameters"];
  throw new ConfigError(`${placeOf(path)} (${type}): parameters: ${faults}`, { path: place });
}

function findDefinition(
  name: string,
  type: string,
  path: ConfigError["path"],
  registry: PluginRegistry,
): PluginDefinition {
  try {
    return registry.definitionFor({ name, type });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const place = path === undefined ? undefined : [...path, "type"];
    throw new ConfigError(`${placeOf(path)}: ${error.message}`, { path: place, cause: error });
  }
}

function dataNode({ name, definition, parameters, path }: CheckedInstance): DataNode {
  return {
    name,
    consumes: definition.consumes?.(parameters),
    produces: (definition.produces?.(parameters) ?? []).map(({ name: key }) => key),
    path,
  };
}

function create(
  { name, type, definition, parameters, path }: CheckedInstance,
  instances: ReadonlyMap<string, string>,
  context: InstanceContext,
): CreatedPlugin {
  const isUsers = isUserDefinition(definition);
  const budgetMs = isUsers ? (parameters as UserParameters).budgetMs : undefined;
  let plugin: Plugin;
  try {
    plugin = definition.create(parameters, {
      name,
      instances,
      nowMs: context.nowMs,
      random: context.random,
      warn: (text) => context.onWarning(name, text),
      sharedColumn: (column) => context.sharedColumn(name, column),
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`${placeOf(path)} (${type}): ${error.message}`, { path: error.path ?? path, cause: error });
  }
  return { name, type, definition, plugin, budgetMs, path };
}

/** `plugins[2]` */
function placeOf(path: ConfigError["path"]): string {
  if (path === undefined) return "plugins";
  return path.map((key, index) => (typeof key === "number" ? `[${key}]` : index === 0 ? key : `.${key}`)).join("");
}

/** What a plugin is, for messages. */
export function facetsOf({ definition }: CreatedPlugin): readonly Facet[] {
  return definition.facets;
}
