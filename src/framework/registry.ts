/** The plugin registry: an immutable table from type name to definition, made once from the list of built-ins. */
import { assert } from "../base/assert.ts";
import { ConfigError } from "../base/errors.ts";
import type { PluginDefinition } from "./plugin.ts";

export class PluginRegistry {
  readonly #definitions: ReadonlyMap<string, PluginDefinition>;

  constructor(definitions: readonly PluginDefinition[]) {
    const table = new Map<string, PluginDefinition>();
    for (const definition of definitions) {
      assert(!table.has(definition.type), `two plugins have the type ${definition.type}`);
      table.set(definition.type, definition);
    }
    this.#definitions = table;
  }

  /** Every definition, in the order of the list of built-ins. */
  get definitions(): readonly PluginDefinition[] {
    return [...this.#definitions.values()];
  }

  /** The definition of a type. Throws a ConfigError that names the known types. */
  get(type: string): PluginDefinition {
    const definition = this.#definitions.get(type);
    if (definition !== undefined) return definition;
    throw new ConfigError(
      `plugin type "${type}" is not known; known types: ${[...this.#definitions.keys()].join(", ")}`,
    );
  }
}
