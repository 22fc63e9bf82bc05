/**
 * What the programs of live policies read besides the scraped columns, written by the control thread: masks and columns
 * made of labels. Also gives attribute columns their numbers: policies that live at the same time share a column of the
 * same content.
 */
import { ConfigError } from "../base/errors.ts";
import type { Labels } from "../framework/fleet.ts";
import type { AttributeColumns } from "../wasm/attribute-columns.ts";
import { layout } from "../wasm/layout.ts";
import type { PolicyMasks } from "../wasm/policy-masks.ts";
import type { CompiledPolicy } from "./compiled-policy.ts";

/** An endpoint, as far as policies look at it. */
export interface LabelledEndpoint {
  readonly slot: number;
  readonly labels: Labels;
}

interface TakenColumn {
  readonly number: number;
  useCount: number;
}

export class ColumnNumbers {
  readonly #values: Pick<AttributeColumns, "clear">;
  readonly #taken = new Map<string, TakenColumn>();
  readonly #free: number[];

  constructor(values: Pick<AttributeColumns, "clear">, countMax: number = layout.ATTRIBUTES_MAX) {
    this.#values = values;
    this.#free = Array.from({ length: countMax }, (_, index) => countMax - 1 - index);
  }

  /** The columns' numbers, by their keys. Throws a ConfigError, and takes none, when there is no room. */
  take(keys: readonly string[]): Map<string, number> {
    const missing = keys.filter((key) => !this.#taken.has(key)).length;
    if (missing > this.#free.length) {
      throw new ConfigError(
        `${missing} new columns of numbers per endpoint find no room: ${this.#taken.size} are in use by policies ` +
          "that requests are still on; try again when those requests are over",
      );
    }
    return new Map(keys.map((key) => [key, this.#take(key)]));
  }

  release(keys: readonly string[]): void {
    for (const key of keys) {
      const column = this.#taken.get(key);
      if (column === undefined || --column.useCount > 0) continue;
      this.#taken.delete(key);
      this.#free.push(column.number);
    }
  }

  /** Undefined for a column that no live policy reads. */
  numberOf(key: string): number | undefined {
    return this.#taken.get(key)?.number;
  }

  #take(key: string): number {
    const taken = this.#taken.get(key);
    if (taken !== undefined) {
      taken.useCount++;
      return taken.number;
    }
    const number = this.#free.pop() as number;
    this.#values.clear(number);
    this.#taken.set(key, { number, useCount: 1 });
    return number;
  }
}

/** A policy whose resources are kept up to date. */
export interface ResourcedPolicy {
  readonly number: number;
  readonly compiled: CompiledPolicy;
  readonly columnNumbers: ReadonlyMap<string, number>;
}

export class PolicyResources {
  readonly #masks: Pick<PolicyMasks, "set" | "clear">;
  readonly #values: Pick<AttributeColumns, "set">;

  constructor(masks: Pick<PolicyMasks, "set" | "clear">, values: Pick<AttributeColumns, "set">) {
    this.#masks = masks;
    this.#values = values;
  }

  /** Writes all of a policy; to be called before its number becomes active. */
  write(policy: ResourcedPolicy, endpoints: readonly LabelledEndpoint[]): void {
    this.#masks.clear(policy.number);
    for (const endpoint of endpoints) {
      this.writeMasks(policy, endpoint);
      this.writeColumns(policy, endpoint);
    }
  }

  /** Writes an endpoint's bits: before it becomes present, and when its labels change. */
  writeMasks({ number, compiled }: ResourcedPolicy, { slot, labels }: LabelledEndpoint): void {
    for (const [mask, isMember] of compiled.labelMasks.entries()) this.#masks.set(number, mask, slot, isMember(labels));
  }

  /** Writes an endpoint's numbers: once it is present, since its slot is wiped before, and when its labels change. */
  writeColumns({ compiled, columnNumbers }: ResourcedPolicy, { slot, labels }: LabelledEndpoint): void {
    for (const { key, source } of compiled.columns) {
      if (source.kind === "labels") this.#values.set(columnNumbers.get(key) as number, slot, source.value(labels));
    }
  }
}
