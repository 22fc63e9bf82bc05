/**
 * Messages of vLLM's gRPC service (`proto/vllm_engine.proto`): what of a request is its prompt, and what a response
 * says that it cost. Other fields are skipped. What breaks the format throws `WireError`.
 */
import { ProtobufReader, WIRE_LENGTH } from "./protobuf/reader.ts";
import { WireError } from "./wire-error.ts";

/** Fields that are looked at in one message and those inside of it: far more than any client has use for. */
const FIELDS_MAX = 65_536;

export interface GenerateRequest {
  /**
   * The prompt, as the last of the two that the message has: token ids as packed varints, which are not looked at, or
   * text.
   */
  readonly tokenIds: Buffer | undefined;
  readonly text: Buffer | undefined;
  readonly outputCap: number | undefined;
  readonly isStream: boolean;
}

export interface TokenCounts {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
}

export function readGenerateRequest(message: Buffer): GenerateRequest {
  let tokenIds: Buffer[] | undefined;
  let text: Buffer | undefined;
  let outputCap: number | undefined;
  let isStream = false;
  const sampling: FieldReaders = { 8: (reader) => (outputCap = reader.readUint32()) };
  readFields(message, {
    2: (reader, read) => {
      text = undefined;
      tokenIds ??= [];
      readTokenized(reader, read, tokenIds);
    },
    3: (reader) => {
      tokenIds = undefined;
      text = reader.readBytes();
    },
    4: (reader, read) => reader.inside(() => read(sampling)),
    5: (reader) => (isStream = reader.readBool()),
  });
  return { tokenIds: tokenIds && joined(tokenIds), text, outputCap, isStream };
}

/** The token ids of an EmbedRequest as packed varints, not looked at; undefined when it has none. */
export function readEmbedRequest(message: Buffer): Buffer | undefined {
  let tokenIds: Buffer[] | undefined;
  readFields(message, {
    2: (reader, read) => {
      tokenIds ??= [];
      readTokenized(reader, read, tokenIds);
    },
  });
  return tokenIds && joined(tokenIds);
}

/** Undefined where the message has no counts, as most chunks of a stream. */
export function readGenerateResponse(message: Buffer): TokenCounts | undefined {
  let counts: TokenCounts | undefined;
  readFields(message, {
    1: (reader, read) => (counts = readCounts(reader, read, 2)),
    2: (reader, read) => (counts = readCounts(reader, read, 3)),
  });
  return counts;
}

export function readEmbedResponse(message: Buffer): TokenCounts | undefined {
  let promptTokens = 0;
  readFields(message, { 2: (reader) => (promptTokens = reader.readUint32()) });
  return promptTokens === 0 ? undefined : { promptTokens, completionTokens: 0, cachedTokens: 0 };
}

/** Reads the fields of one message; `read` reads those of an embedded one, under the same limit. */
type FieldReader = (reader: ProtobufReader, read: (readers: FieldReaders) => void) => void;
type FieldReaders = Readonly<Record<number, FieldReader>>;

function readFields(message: Buffer, outermost: FieldReaders): void {
  const reader = new ProtobufReader(message);
  let fields = 0;
  const read = (readers: FieldReaders): void => {
    while (reader.nextField()) {
      if (++fields > FIELDS_MAX) throw new WireError("limit", `message of more than ${FIELDS_MAX} fields`);
      const readField = readers[reader.field];
      if (readField === undefined) reader.skipField();
      else readField(reader, read);
    }
  };
  read(outermost);
}

/** Adds the ids of a TokenizedInput, which stand packed or one by one. */
function readTokenized(reader: ProtobufReader, read: (readers: FieldReaders) => void, tokenIds: Buffer[]): void {
  const readIds: FieldReader = () => {
    if (reader.wireType === WIRE_LENGTH) {
      tokenIds.push(reader.readBytes());
    } else {
      const start = reader.position;
      reader.readUint32();
      tokenIds.push(reader.bytes.subarray(start, reader.position));
    }
  };
  reader.inside(() => read({ 2: readIds }));
}

/** Counts of a chunk or a completion: prompt, completion and cached tokens in successive fields from `first` on. */
function readCounts(
  reader: ProtobufReader,
  read: (readers: FieldReaders) => void,
  first: number,
): TokenCounts | undefined {
  const counts = [0, 0, 0];
  const readCount: FieldReader = () => (counts[reader.field - first] = reader.readUint32());
  reader.inside(() => read({ [first]: readCount, [first + 1]: readCount, [first + 2]: readCount }));
  const [promptTokens = 0, completionTokens = 0, cachedTokens = 0] = counts;
  return promptTokens + completionTokens === 0 ? undefined : { promptTokens, completionTokens, cachedTokens };
}

function joined(pieces: readonly Buffer[]): Buffer {
  return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
}
