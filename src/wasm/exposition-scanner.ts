/**
 * The exposition scanner (`assembly/prometheus-scan.ts`) over a private memory of the control thread: tables of what is
 * wanted, windows for scrapes that are under way, and the buffer into which sockets read, so that an answer's bytes are
 * scanned where the operating system puts them.
 *
 *   addTable ──► table        begin(table) ──► window ──► feed … feed ──► end ──► value, labels ──► release
 */
import { assert } from "../base/assert.ts";
import { instantiateKernel, type Kernel, type KernelBuild } from "./kernel.ts";
import { layout } from "./layout.ts";

const PAGE_SIZE = 65_536;

export interface WantedSeries {
  readonly name: string;
  /** Labels that the series must have; at most EXPOSITION_LABELS_MAX. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Which of several matching series counts: of equal ones the first. A sum is of all. */
  readonly choice: SeriesChoice;
  /** Keep the label block of the chosen series, which a sum has not; at most EXPOSITION_TEXTS_MAX of a table do. */
  readonly keepsLabels?: boolean;
}

export type SeriesChoice = "newest" | "greatest" | "sum";

const CHOICES: Readonly<Record<SeriesChoice, number>> = {
  newest: layout.SERIES_NEWEST,
  greatest: layout.SERIES_GREATEST,
  sum: layout.SERIES_SUM,
};

export interface ExpositionScannerOptions {
  /** Scrapes that may be under way at once. 52 KiB of address space each, committed as far as used. */
  readonly windowCount: number;
  readonly build?: KernelBuild;
}

export class ExpositionScanner {
  /** Where sockets read into. What lies here is scanned in place. */
  readonly receiveBuffer: Buffer;
  readonly #kernel: Kernel;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #tables: (readonly WantedSeries[])[] = [];
  /** The window that was released last comes first: its pages are there. */
  readonly #free: number[];
  readonly #isTaken: Uint8Array;

  constructor({ windowCount, build }: ExpositionScannerOptions) {
    const size = layout.EXPOSITION_WINDOWS + windowCount * layout.EXPOSITION_WINDOW_STRIDE;
    const pages = Math.ceil(size / PAGE_SIZE);
    // Shared by type, because the module says so, but never handed to another thread.
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.#kernel = instantiateKernel(memory, build);
    this.#bytes = Buffer.from(memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.receiveBuffer = Buffer.from(memory.buffer, layout.EXPOSITION_CHUNK, layout.EXPOSITION_CHUNK_SIZE);
    this.#isTaken = new Uint8Array(windowCount);
    this.#free = Array.from({ length: windowCount }, (_, index) => windowCount - 1 - index);
  }

  /** Says what is wanted; returns the table's number, or undefined when there is no room for it. */
  addTable(wanted: readonly WantedSeries[]): number | undefined {
    const number = this.#tables.length;
    if (number >= layout.EXPOSITION_TABLES_MAX || wanted.length > layout.EXPOSITION_SERIES_MAX) return undefined;
    const table = layout.EXPOSITION_TABLES + number * layout.EXPOSITION_TABLE_STRIDE;
    const writer = new TableWriter(this.#bytes, this.#view, table);
    if (!wanted.every((series) => writer.add(series))) return undefined;
    this.#tables.push(wanted);
    return number;
  }

  /** A window for a new exposition; undefined when all are taken. */
  begin(table: number): number | undefined {
    const window = this.#free.pop();
    if (window === undefined) return undefined;
    this.#isTaken[window] = 1;
    this.#kernel.expositionBegin(window, table);
    return window;
  }

  /** Takes the next bytes. Those of `receiveBuffer` are scanned where they lie; others overwrite what it holds. */
  feed(window: number, bytes: Buffer, from: number, end: number): void {
    if (bytes === this.receiveBuffer) {
      this.#kernel.expositionFeed(window, from, end - from);
      return;
    }
    for (let at = from; at < end; at += layout.EXPOSITION_CHUNK_SIZE) {
      const size = bytes.copy(this.receiveBuffer, 0, at, Math.min(end, at + layout.EXPOSITION_CHUNK_SIZE));
      this.#kernel.expositionFeed(window, 0, size);
    }
  }

  /** There are no more bytes: the results can be read until the window is released. */
  end(window: number): void {
    this.#kernel.expositionEnd(window);
  }

  /**
   * The value of the table's series `number`: of the chosen one, or the sum. Undefined when none matched, it is not a
   * number, or its family is neither gauge nor counter.
   */
  value(window: number, number: number): number | undefined {
    const result = this.#result(window, number);
    if (this.#view.getUint32(result + layout.EXPOSITION_RESULT_SERIES_COUNT, true) === 0) return undefined;
    const value = this.#view.getFloat64(result + layout.EXPOSITION_RESULT_VALUE, true);
    return Number.isNaN(value) ? undefined : value;
  }

  /** How many series matched. */
  seriesCount(window: number, number: number): number {
    return this.#view.getUint32(this.#result(window, number) + layout.EXPOSITION_RESULT_SERIES_COUNT, true);
  }

  /**
   * The label block of the chosen series as it is written, with its braces; empty for a series without one. Undefined
   * when none matched. Valid until the window is released.
   */
  labelBlock(window: number, number: number): Buffer | undefined {
    const result = this.#result(window, number);
    const size = this.#view.getUint32(result + layout.EXPOSITION_RESULT_TEXT_SIZE, true);
    if (this.seriesCount(window, number) === 0) return undefined;
    const start = this.#textStart(window, number);
    return this.#bytes.subarray(start, start + size);
  }

  /** Lines that were skipped because they are longer than EXPOSITION_LINE_SIZE_MAX. */
  linesTooLong(window: number): number {
    return this.#view.getUint32(this.#window(window) + layout.EXPOSITION_WINDOW_LINES_TOO_LONG, true);
  }

  release(window: number): void {
    assert(this.#isTaken[window] === 1, `window ${window} is not taken`);
    this.#isTaken[window] = 0;
    this.#free.push(window);
  }

  #textStart(window: number, number: number): number {
    const table = this.#view.getUint32(this.#window(window), true);
    const wanted = this.#tables[table] ?? [];
    const text = wanted.slice(0, number).filter(({ keepsLabels }) => keepsLabels === true).length;
    return this.#window(window) + layout.EXPOSITION_WINDOW_TEXTS + text * layout.EXPOSITION_LINE_SIZE_MAX;
  }

  #result(window: number, number: number): number {
    return this.#window(window) + layout.EXPOSITION_WINDOW_RESULTS + number * layout.EXPOSITION_RESULT_STRIDE;
  }

  #window(window: number): number {
    return layout.EXPOSITION_WINDOWS + window * layout.EXPOSITION_WINDOW_STRIDE;
  }
}

/** Writes one table: series from its beginning, names and labels behind them. */
class TableWriter {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #table: number;
  readonly #end: number;
  #namesEnd: number;
  #seriesCount = 0;
  #textCount = 0;

  constructor(bytes: Buffer, view: DataView, table: number) {
    this.#bytes = bytes;
    this.#view = view;
    this.#table = table;
    this.#end = table + layout.EXPOSITION_TABLE_STRIDE;
    // Labels are 8-byte aligned behind names: begin aligned.
    this.#namesEnd = table + layout.EXPOSITION_TABLE_NAMES;
  }

  /** False when there is no room. */
  add({ name, labels = {}, choice, keepsLabels = false }: WantedSeries): boolean {
    const pairs = Object.entries(labels);
    if (pairs.length > layout.EXPOSITION_LABELS_MAX) return false;
    if (keepsLabels && ++this.#textCount > layout.EXPOSITION_TEXTS_MAX) return false;
    const nameBytes = Buffer.from(name);
    const series = this.#table + layout.EXPOSITION_TABLE_SERIES + this.#seriesCount * layout.EXPOSITION_SERIES_STRIDE;
    const labelsAt = this.#reserve(pairs.length * layout.EXPOSITION_LABEL_STRIDE);
    const nameAt = this.#write(nameBytes);
    const written = pairs.map(([label, value]) => [this.#write(Buffer.from(label)), this.#write(Buffer.from(value))]);
    if (this.#namesEnd > this.#end) return false;
    const word = (offset: number, value: number): void => this.#view.setUint32(series + offset, value, true);
    word(layout.EXPOSITION_SERIES_NAME, nameAt);
    word(layout.EXPOSITION_SERIES_NAME_SIZE, nameBytes.length);
    this.#writeTail(series, nameBytes);
    word(layout.EXPOSITION_SERIES_LABELS, labelsAt);
    word(layout.EXPOSITION_SERIES_LABEL_COUNT, pairs.length);
    word(layout.EXPOSITION_SERIES_CHOICE, CHOICES[choice]);
    word(layout.EXPOSITION_SERIES_TEXT, keepsLabels ? this.#textCount : 0);
    for (const [index, [label, value]] of pairs.entries()) {
      const at = labelsAt + index * layout.EXPOSITION_LABEL_STRIDE;
      const [labelAt = 0, valueAt = 0] = written[index] ?? [];
      this.#view.setUint32(at, labelAt, true);
      this.#view.setUint32(at + 4, Buffer.byteLength(label), true);
      this.#view.setUint32(at + 8, valueAt, true);
      this.#view.setUint32(at + 12, Buffer.byteLength(value), true);
    }
    this.#view.setUint32(this.#table, ++this.#seriesCount, true);
    return true;
  }

  /** The last 8 bytes of the name, or all of a shorter one, in the high bytes. */
  #writeTail(series: number, name: Buffer): void {
    const tail = series + layout.EXPOSITION_SERIES_TAIL;
    const mask = series + layout.EXPOSITION_SERIES_TAIL_MASK;
    const size = Math.min(8, name.length);
    this.#bytes.fill(0, tail, tail + 16);
    name.copy(this.#bytes, tail + 8 - size, name.length - size);
    this.#bytes.fill(0xff, mask + 8 - size, mask + 8);
  }

  #write(text: Buffer): number {
    const at = this.#reserve(text.length);
    if (this.#namesEnd <= this.#end) text.copy(this.#bytes, at);
    return at;
  }

  #reserve(size: number): number {
    const at = this.#namesEnd;
    this.#namesEnd = Math.ceil((at + size) / 8) * 8;
    return at;
  }
}
