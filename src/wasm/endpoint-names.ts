/**
 * The writer of what endpoints say they have, for the control thread: adapters that run or wait, and models that are
 * served. Names become hashes here; a table changes between an odd and an even version (M2), and only when it is
 * another one than before.
 */
import type { Kernel } from "./kernel.ts";
import { layout } from "./layout.ts";
import { NameHashes } from "./name-hashes.ts";

export interface Adapters {
  readonly running: readonly string[];
  readonly waiting: readonly string[];
  /** Adapters that the engine has loaded at once, at most. */
  readonly loadedMax: number;
}

type Entry = readonly [name: string, state: number];

export class EndpointNames {
  readonly #view: DataView;
  readonly #version: Int32Array;
  readonly #hashes: NameHashes;
  /** What stands in the tables, by table and slot, so that an unchanged scrape costs no write. */
  readonly #written = new Map<number, string>();
  #beyondCount = 0;

  constructor(memory: WebAssembly.Memory, kernel: Kernel) {
    this.#view = new DataView(memory.buffer);
    this.#version = new Int32Array(memory.buffer, layout.ENDPOINT_NAMES_VERSION, 1);
    this.#hashes = new NameHashes(memory, kernel);
  }

  /** Names that found no place so far, because an endpoint had more than ENDPOINT_NAMES_MAX. */
  get beyondCount(): number {
    return this.#beyondCount;
  }

  /** Undefined: the engine does not say. Running adapters find a place first. */
  setAdapters(slot: number, adapters: Adapters | undefined): void {
    if (adapters === undefined) {
      this.#write(layout.ADAPTERS, slot, { entries: [], flags: 0 });
      return;
    }
    const { running, waiting, loadedMax } = adapters;
    const states = new Map<string, number>(running.map((name) => [name, layout.NAME_RUNNING]));
    for (const name of waiting) states.set(name, (states.get(name) ?? 0) | layout.NAME_WAITING);
    const hasRoom = running.length + waiting.length < loadedMax;
    this.#write(layout.ADAPTERS, slot, {
      entries: [...states],
      flags: layout.ENDPOINT_NAMES_KNOWN | (hasRoom ? layout.ENDPOINT_NAMES_ROOM : 0),
    });
  }

  /** Base models and adapters by the names that requests use; undefined: the engine does not say. */
  setServedModels(slot: number, names: readonly string[] | undefined): void {
    const entries = (names ?? []).map((name): Entry => [name, layout.NAME_RUNNING]);
    this.#write(layout.SERVED_MODELS, slot, {
      entries,
      flags: names === undefined ? 0 : layout.ENDPOINT_NAMES_KNOWN,
    });
  }

  #write(tables: number, slot: number, { entries, flags }: { entries: readonly Entry[]; flags: number }): void {
    // A new endpoint of the slot begins with an empty table (`EndpointColumns.add`).
    const generation = this.#view.getUint32(layout.COLUMN_GENERATION + slot * 4, true);
    const text = JSON.stringify([generation, flags, entries]);
    if (this.#written.get(tables + slot) === text) return;
    this.#written.set(tables + slot, text);
    const kept = entries.slice(0, layout.ENDPOINT_NAMES_MAX);
    this.#beyondCount += entries.length - kept.length;
    const hashes = kept.map(([name, state]) => ({ hash: this.#hashes.hash(name), state }));
    const table = tables + slot * layout.ENDPOINT_NAMES_STRIDE;
    const cut = kept.length < entries.length ? layout.ENDPOINT_NAMES_CUT : 0;
    Atomics.add(this.#version, 0, 1);
    this.#view.setUint32(table + layout.ENDPOINT_NAMES_COUNT, hashes.length, true);
    this.#view.setUint32(table + layout.ENDPOINT_NAMES_FLAGS, flags | cut, true);
    for (const [index, { hash, state }] of hashes.entries()) {
      const entry = (hash & ~3n) | BigInt(state);
      this.#view.setBigUint64(table + layout.ENDPOINT_NAMES_HASHES + index * 8, entry, true);
    }
    Atomics.add(this.#version, 0, 1);
  }
}
