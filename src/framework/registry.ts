/**
 * The plugin registry: an immutable table from type name to definition, made once from the list of built-ins and the
 * table of types that are known but not there yet. Modules of a user's own join by type (`--plugin`) or for one
 * instance of type `module`.
 */
import { assert } from "../base/assert.ts";
import { ConfigError } from "../base/errors.ts";
import { nearestName } from "../base/nearest.ts";
import type { Facet, PluginDefinition, Stability } from "./plugin.ts";

/** A type that configurations of the Go picker may name and that is refused with a reason. */
export interface PlannedPlugin {
  readonly type: string;
  readonly stability: Stability;
  readonly facets: readonly Facet[];
  readonly summary: string;
  /** What to do until it is there. */
  readonly instead: string;
}

/** Type of an instance that is a user's module. */
export const MODULE_TYPE = "module";

export class PluginRegistry {
  readonly #definitions: ReadonlyMap<string, PluginDefinition>;
  readonly #planned: ReadonlyMap<string, PlannedPlugin>;
  /** By instance name. */
  readonly #modules: ReadonlyMap<string, PluginDefinition>;

  constructor(
    definitions: readonly PluginDefinition[],
    planned: readonly PlannedPlugin[] = [],
    modules: ReadonlyMap<string, PluginDefinition> = new Map(),
  ) {
    const table = new Map<string, PluginDefinition>();
    for (const definition of definitions) {
      assert(!table.has(definition.type), `two plugins have the type ${definition.type}`);
      table.set(definition.type, definition);
    }
    this.#definitions = table;
    this.#planned = new Map(planned.map((plugin) => [plugin.type, plugin]));
    this.#modules = modules;
  }

  /** Every definition, in the order of the list of built-ins. */
  get definitions(): readonly PluginDefinition[] {
    return [...this.#definitions.values()];
  }

  get planned(): readonly PlannedPlugin[] {
    return [...this.#planned.values()];
  }

  /** The same registry with further types, and with the modules that instances of type `module` are. */
  with(definitions: readonly PluginDefinition[], modules: ReadonlyMap<string, PluginDefinition>): PluginRegistry {
    return new PluginRegistry([...this.definitions, ...definitions], this.planned, modules);
  }

  has(type: string): boolean {
    return this.#definitions.has(type);
  }

  /** The definition of an instance: its module's, or its type's. Throws as `get` does. */
  definitionFor({ name, type }: { readonly name: string; readonly type: string }): PluginDefinition {
    return (type === MODULE_TYPE ? this.#modules.get(name) : undefined) ?? this.get(type);
  }

  /** The definition of a type. Throws a ConfigError that says why there is none, and names the nearest known type. */
  get(type: string): PluginDefinition {
    const definition = this.#definitions.get(type);
    if (definition !== undefined) return definition;
    const planned = this.#planned.get(type);
    if (planned !== undefined) {
      throw new ConfigError(`plugin type "${type}" is known, but not available yet: ${planned.instead}`);
    }
    const nearest = nearestName(type, [...this.#definitions.keys(), ...this.#planned.keys()]);
    const hint = nearest === undefined ? '"epp config types" lists those that are' : `did you mean "${nearest}"?`;
    throw new ConfigError(`plugin type "${type}" is not known; ${hint}`);
  }
}
