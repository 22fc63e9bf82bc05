/** The header blocks with which a server answers: made once, or encoded without a table. */
import { GRPC_STATUS } from "../../../platform/grpc-call.ts";
import { encodeHeaders } from "../../../wire/http2/hpack-encoder.ts";

const GRPC_HEAD = [
  [":status", "200"],
  ["content-type", "application/grpc"],
] as const;

/** Before the first message. */
export const RESPONSE_HEAD: Buffer = encodeHeaders(GRPC_HEAD);
/** Behind the last message. */
const OK_TRAILERS: Buffer = encodeHeaders([["grpc-status", "0"]]);

/** How a stream ends; with the response's head in front when nothing was sent before. */
export function statusTrailers(code: number, message: string, hasHead: boolean): Buffer {
  if (code === GRPC_STATUS.ok && hasHead) return OK_TRAILERS;
  return encodeHeaders([
    ...(hasHead ? [] : GRPC_HEAD),
    ["grpc-status", String(code)],
    ...(message === "" ? [] : ([["grpc-message", percentEncoded(message)]] as const)),
  ]);
}

/** For a request that is not gRPC. */
export function httpStatus(status: number): Buffer {
  return encodeHeaders([[":status", String(status)]]);
}

/** Header values are short; a status message is for people. */
const MESSAGE_SIZE_MAX = 1_024;

/** All but printable ASCII, and the percent sign, as gRPC wants it. */
function percentEncoded(message: string): string {
  const bytes = Buffer.from(message.slice(0, MESSAGE_SIZE_MAX));
  let encoded = "";
  for (const byte of bytes) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, "0").toUpperCase()}`;
  }
  return encoded;
}
