/**
 * Encodes header blocks (HPACK, RFC 7541) that do not depend on what was sent before: no dynamic table, no Huffman
 * codes. Meant for answers that are the same on each stream: made once, and valid on each connection at any time.
 */
import { assert } from "../../base/assert.ts";
import { type HeaderField, STATIC_FIELDS } from "./hpack-static-table.ts";

/** Name and value of each field, in order. Names are lower case; values have characters up to U+00FF. */
export function encodeHeaders(fields: readonly HeaderField[]): Buffer {
  return Buffer.concat(fields.map(encodeField));
}

function encodeField([name, value]: HeaderField): Buffer {
  assert(name === name.toLowerCase(), `header name ${name} is not in lower case`);
  const same = STATIC_FIELDS.findIndex(([staticName, staticValue]) => staticName === name && staticValue === value);
  if (same >= 0) return encodeInteger(0x80, 7, same + 1);
  const named = STATIC_FIELDS.findIndex(([staticName]) => staticName === name) + 1;
  // Without indexing: 4 bits of the name's index, 0 for a name that follows.
  const head = encodeInteger(0x00, 4, named);
  return Buffer.concat([head, ...(named === 0 ? [encodeText(name)] : []), encodeText(value)]);
}

/** A string as it is (RFC 7541, 5.2). */
export function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  assert(bytes.toString("latin1") === text, "a header holds a character above U+00FF");
  return Buffer.concat([encodeInteger(0x00, 7, bytes.length), bytes]);
}

/** An integer in the low `bits` of a byte that has its high bits from `head`, and in as many more as it needs (5.1). */
export function encodeInteger(head: number, bits: number, value: number): Buffer {
  const prefixMax = 2 ** bits - 1;
  if (value < prefixMax) return Buffer.from([head | value]);
  const bytes = [head | prefixMax];
  let rest = value - prefixMax;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
