/**
 * Decodes header blocks (HPACK, RFC 7541) of one connection, in the order in which they come: each changes the table
 * that the next ones refer to. A block is whole: whoever reads frames puts HEADERS and CONTINUATION together first.
 * What the fields mean, and whether their names are allowed, is left to the caller.
 */

import { entrySize, HpackDynamicTable } from "./hpack-dynamic-table.ts";
import { decodeHuffman, huffmanRoomNeeded } from "./hpack-huffman.ts";
import { DYNAMIC_INDEX_FIRST, STATIC_FIELDS } from "./hpack-static-table.ts";

/** Called for each field of a block, in order. Names as they came, values as latin1 strings. Must not throw. */
export type HeaderVisitor = (name: string, value: string) => void;

/** A block that cannot be decoded. The table is lost with it: the connection must end with COMPRESSION_ERROR. */
export class HpackError extends Error {
  override readonly name = "HpackError";
}

export interface HpackDecoderOptions {
  /**
   * The SETTINGS_HEADER_TABLE_SIZE that the peer has been told: the largest table that it may ask for. Default 4,096,
   * the protocol's.
   */
  readonly tableSizeMax?: number;
  /** Most that the fields of one block may add up to, each with 32 bytes more (RFC 9113, 6.5.2). Default 64 KiB. */
  readonly listSizeMax?: number;
}

/** What both sides start with (RFC 9113, 6.5.2). */
const TABLE_SIZE_DEFAULT = 4096;
const LIST_SIZE_MAX_DEFAULT = 64 * 1024;

/** Bytes of an integer behind its prefix: enough for 2^28, which no block reaches. */
const INTEGER_BYTES_MAX = 4;
/** Strings that may need more room than this to be decoded get a buffer of their own. */
const SCRATCH_SIZE = 4096;

/** `:path` in the static table, as a literal names it. */
const PATH_INDEX = 4;
/** Longest form of a path that is remembered. */
const PATH_FORM_SIZE_MAX = 256;

const NO_BYTES: Buffer = Buffer.alloc(0);
/** Decoding is synchronous, so that all connections of a thread share it. */
const scratch = Buffer.alloc(SCRATCH_SIZE);

export class HpackDecoder {
  readonly #table: HpackDynamicTable;
  readonly #tableSizeMax: number;
  readonly #listSizeMax: number;
  /** The last path, and the form in which it came, its size and Huffman bit included. */
  #path = "";
  #pathForm: Buffer = NO_BYTES;
  /** The block at hand. */
  #bytes: Buffer = NO_BYTES;
  #position = 0;
  #end = 0;

  constructor(options: HpackDecoderOptions = {}) {
    this.#tableSizeMax = options.tableSizeMax ?? TABLE_SIZE_DEFAULT;
    this.#listSizeMax = options.listSizeMax ?? LIST_SIZE_MAX_DEFAULT;
    // A larger table is used once the peer says so in a block.
    const capacity = Math.min(TABLE_SIZE_DEFAULT, this.#tableSizeMax);
    this.#table = new HpackDynamicTable({ sizeMax: this.#tableSizeMax, capacity });
  }

  /**
   * Decodes the whole block that lies from `start` to `end`, and keeps nothing of `bytes`. False if its fields add up
   * to more than `listSizeMax`: those from there on have not been visited, while the table holds what it must. Throws
   * `HpackError`, after which this decoder is of no use.
   */
  decode(bytes: Uint8Array, start: number, end: number, visit: HeaderVisitor): boolean {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = start;
    this.#end = end;
    this.#resizeTable();
    const isWithinSize = this.#readFields(visit);
    this.#bytes = NO_BYTES;
    return isWithinSize;
  }

  /** Size updates stand at the beginning of a block only (RFC 7541, 4.2). */
  #resizeTable(): void {
    while (this.#position < this.#end) {
      const head = this.#bytes[this.#position] as number;
      if (!isSizeUpdate(head)) return;
      const size = this.#readInteger(0x1f);
      if (size > this.#tableSizeMax) throw new HpackError(`a table of ${size} bytes is larger than allowed`);
      this.#table.resize(size);
    }
  }

  #readFields(visit: HeaderVisitor): boolean {
    let sizeLeft = this.#listSizeMax;
    while (this.#position < this.#end) {
      const head = this.#bytes[this.#position] as number;
      let name: string;
      let value: string;
      if (head >= 0x80) {
        const index = this.#readInteger(0x7f);
        name = this.#nameAt(index);
        value = this.#valueAt(index);
      } else {
        if (isSizeUpdate(head)) throw new HpackError("a table size update stands behind a field");
        const isIndexed = head >= 0x40;
        const index = this.#readInteger(isIndexed ? 0x3f : 0x0f);
        name = index === 0 ? this.#readString() : this.#nameAt(index);
        value = index === PATH_INDEX ? this.#readPath() : this.#readString();
        if (isIndexed) this.#table.add(name, value);
      }
      // Negative once a field has been too much; a shorter one behind it is not visited either.
      if (sizeLeft >= 0) sizeLeft -= entrySize(name, value);
      if (sizeLeft >= 0) visit(name, value);
    }
    return sizeLeft >= 0;
  }

  #nameAt(index: number): string {
    if (index >= DYNAMIC_INDEX_FIRST) return this.#table.name(this.#ageOf(index));
    return staticFieldAt(index)[0];
  }

  #valueAt(index: number): string {
    if (index >= DYNAMIC_INDEX_FIRST) return this.#table.value(this.#ageOf(index));
    return staticFieldAt(index)[1];
  }

  #ageOf(index: number): number {
    const age = index - DYNAMIC_INDEX_FIRST;
    if (age >= this.#table.count) throw new HpackError(`no entry has index ${index}`);
    return age;
  }

  /** Encoders put no path into the table, but a proxy of gRPC sends one and the same on each stream. */
  #readPath(): string {
    const start = this.#position;
    if (this.#isPathFormAt(start)) {
      this.#position = start + this.#pathForm.length;
      return this.#path;
    }
    const path = this.#readString();
    if (this.#position - start <= PATH_FORM_SIZE_MAX) {
      this.#path = path;
      this.#pathForm = Buffer.from(this.#bytes.subarray(start, this.#position));
    }
    return path;
  }

  #isPathFormAt(start: number): boolean {
    const form = this.#pathForm;
    const bytes = this.#bytes;
    if (form.length === 0 || form.length > this.#end - start) return false;
    for (let index = 0; index < form.length; index++) if (bytes[start + index] !== form[index]) return false;
    return true;
  }

  /** RFC 7541, 5.2. */
  #readString(): string {
    const isHuffman = (this.#bytes[this.#position] as number) >= 0x80;
    const size = this.#readInteger(0x7f);
    const start = this.#position;
    // Less than nothing is left when already the size lies behind the block.
    if (size > this.#end - start) throw truncated();
    this.#position = start + size;
    if (!isHuffman) return this.#bytes.toString("latin1", start, this.#position);
    const roomNeeded = huffmanRoomNeeded(size);
    const target = roomNeeded <= SCRATCH_SIZE ? scratch : Buffer.allocUnsafe(roomNeeded);
    const decodedSize = decodeHuffman(this.#bytes, start, this.#position, target);
    if (decodedSize === undefined) throw new HpackError("a string breaks the Huffman code");
    return target.toString("latin1", 0, decodedSize);
  }

  /** RFC 7541, 5.1. `mask` covers the prefix in the byte at hand, and is its largest value, too. */
  #readInteger(mask: number): number {
    let value = (this.#bytes[this.#position++] as number) & mask;
    if (value < mask) return value;
    for (let index = 0; index < INTEGER_BYTES_MAX; index++) {
      if (this.#position >= this.#end) throw truncated();
      const byte = this.#bytes[this.#position++] as number;
      value += (byte & 0x7f) << (7 * index);
      if (byte < 0x80) return value;
    }
    throw new HpackError(`an integer has more than ${INTEGER_BYTES_MAX} bytes`);
  }
}

function staticFieldAt(index: number): readonly [string, string] {
  const field = STATIC_FIELDS[index - 1];
  if (field === undefined) throw new HpackError("no entry has index 0");
  return field;
}

function isSizeUpdate(head: number): boolean {
  return (head & 0xe0) === 0x20;
}

function truncated(): HpackError {
  return new HpackError("the block ends within a field");
}
