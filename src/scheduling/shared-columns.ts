/**
 * Columns that user plugins share between shards: handles are given out when plugins are created, and lead to memory
 * once the policy's column numbers are known. Where no plugin is called (the control thread) they lead nowhere.
 */
import type { FleetEndpoint } from "../framework/fleet.ts";
import type { SharedColumn } from "../framework/plugin.ts";
import type { AttributeColumns } from "../wasm/attribute-columns.ts";
import { attributeKey } from "./resources.ts";

export class SharedColumns {
  readonly #values: Pick<AttributeColumns, "get" | "set">;
  #numbers: ReadonlyMap<string, number> = new Map();

  constructor(values: Pick<AttributeColumns, "get" | "set">) {
    this.#values = values;
  }

  /** The column of a plugin; unknown until `bind`, and if the plugin does not declare it. */
  column(plugin: string, name: string): SharedColumn {
    const key = attributeKey(plugin, name);
    return {
      get: ({ slot }: FleetEndpoint) => {
        const number = this.#numbers.get(key);
        const value = number === undefined ? Number.NaN : this.#values.get(number, slot);
        return Number.isNaN(value) ? undefined : value;
      },
      set: ({ slot }: FleetEndpoint, value: number | undefined) => {
        const number = this.#numbers.get(key);
        if (number !== undefined) this.#values.set(number, slot, value ?? Number.NaN);
      },
    };
  }

  /** `numbers`: of the policy's columns by their keys. */
  bind(numbers: ReadonlyMap<string, number>): void {
    this.#numbers = numbers;
  }
}

/** Leads nowhere. */
export const NO_SHARED_COLUMN: SharedColumn = { get: () => undefined, set: () => undefined };
