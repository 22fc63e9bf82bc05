/** What a peer does that HTTP/2 forbids: the whole connection ends, or only one stream. */

/** Ends the connection with a GOAWAY of this code (RFC 9113, 5.4.1). */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
