/**
 * The headers of an ext_proc stream as Envoy 1.40 sends them, compressed once (HPACK, RFC 7541): the first stream of a
 * connection puts what repeats into the peer's table, later ones name the entries. Strings go without Huffman codes.
 */
import { encodeInteger, encodeText } from "../../src/wire/http2/hpack-encoder.ts";

const PROCESS_PATH = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

/** Entries of the static table (RFC 7541, appendix A). */
const STATIC = { authority: 1, path: 4, methodPost: 3, schemeHttp: 6, schemeHttps: 7, contentType: 31 } as const;
/** The first entry of the dynamic table; the entry added last has this index. */
const DYNAMIC_FIRST = 62;

/** Room that the peer's table must have for the entries below; the protocol's default is 4,096. */
export const HEADER_TABLE_SIZE_NEEDED = 512;

export interface HeaderBlocks {
  /** For the first stream of a connection. */
  readonly first: Buffer;
  /** For each later one. */
  readonly later: Buffer;
  /** For every stream to a peer whose table is too small; tells it once more that none is used. */
  readonly withoutTable: Buffer;
}

export interface HeaderBlockOptions {
  readonly authority: string;
  readonly isTls: boolean;
}

export function headerBlocks({ authority, isTls }: HeaderBlockOptions): HeaderBlocks {
  const scheme = indexed(isTls ? STATIC.schemeHttps : STATIC.schemeHttp);
  const repeated: readonly Field[] = [
    { name: STATIC.authority, value: authority },
    { name: "te", value: "trailers" },
    { name: STATIC.contentType, value: "application/grpc" },
    { name: "x-envoy-internal", value: "true" },
    { name: "x-forwarded-for", value: "192.0.2.2" },
  ];
  const start = [indexed(STATIC.methodPost), literal({ name: STATIC.path, value: PROCESS_PATH }, WITHOUT_INDEXING)];
  const block = (fields: readonly Buffer[]): Buffer => {
    const [authorityField = EMPTY, ...rest] = fields;
    // Pseudo headers stand first.
    return Buffer.concat([...start, authorityField, scheme, ...rest]);
  };
  return {
    first: block(repeated.map((field) => literal(field, INCREMENTAL))),
    later: block(repeated.map((_, index) => indexed(DYNAMIC_FIRST + repeated.length - 1 - index))),
    withoutTable: Buffer.concat([TABLE_SIZE_0, block(repeated.map((field) => literal(field, WITHOUT_INDEXING)))]),
  };
}

interface Field {
  /** An entry of the static table, or a name of its own. */
  readonly name: number | string;
  readonly value: string;
}

interface Representation {
  readonly prefix: number;
  /** Bits of the first byte that hold the name's index. */
  readonly bits: number;
}

const INCREMENTAL: Representation = { prefix: 0x40, bits: 6 };
const WITHOUT_INDEXING: Representation = { prefix: 0x00, bits: 4 };
const EMPTY: Buffer = Buffer.alloc(0);
const TABLE_SIZE_0: Buffer = Buffer.from([0x20]);

function indexed(index: number): Buffer {
  return encodeInteger(0x80, 7, index);
}

function literal({ name, value }: Field, { prefix, bits }: Representation): Buffer {
  const head =
    typeof name === "number" ? [encodeInteger(prefix, bits, name)] : [encodeInteger(prefix, bits, 0), encodeText(name)];
  return Buffer.concat([...head, encodeText(value)]);
}
