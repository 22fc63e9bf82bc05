/** What a peer does that HTTP/2 forbids: the whole connection ends, or only one stream. */
import { ERROR_CODE } from "../../../wire/http2/frame.ts";

/** Ends the connection with a GOAWAY of this code (RFC 9113, 5.4.1). */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** A frame that may not come, or not now. */
export function forbidden(what: string): ConnectionError {
  return new ConnectionError(ERROR_CODE.protocolError, what);
}

/** A frame of a type whose size is fixed. */
export function wrongSize(type: string): ConnectionError {
  return new ConnectionError(ERROR_CODE.frameSizeError, `${type} of a wrong size`);
}
