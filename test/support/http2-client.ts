/** HTTP/2 as a client of the proxy speaks it, with prior knowledge: one request on a connection of its own. */
import { connect, type IncomingHttpHeaders } from "node:http2";

/** An answer takes no longer than this, or never comes. */
const DEADLINE_MS = 15_000;

export interface Http2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
}

/** Sends the body, and trailers behind it where there are any. Rejects when the answer is cut off. */
export async function postHttp2(
  port: number,
  path: string,
  body: Buffer,
  trailers?: Record<string, string>,
): Promise<Http2Answer> {
  const session = connect(`http://127.0.0.1:${port}`);
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const head = { ":method": "POST", ":path": path };
  const stream = session.request(head, { endStream: false, waitForTrailers: trailers !== undefined, signal });
  try {
    return await new Promise<Http2Answer>((resolve, reject) => {
      const pieces: Buffer[] = [];
      let headers: IncomingHttpHeaders = {};
      let answerTrailers: IncomingHttpHeaders = {};
      session.once("error", reject);
      stream.once("error", reject);
      stream.on("wantTrailers", () => stream.sendTrailers(trailers ?? {}));
      stream.on("response", (fields) => {
        headers = fields;
      });
      stream.on("trailers", (fields) => {
        answerTrailers = fields;
      });
      stream.on("data", (piece: Buffer) => pieces.push(piece));
      stream.once("close", () => {
        const status = Number(headers[":status"]);
        resolve({ status, headers, body: Buffer.concat(pieces), trailers: answerTrailers });
      });
      stream.end(body);
    });
  } finally {
    session.destroy();
  }
}
