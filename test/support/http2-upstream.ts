/** A model server that speaks HTTP/2 and keeps what it was sent, trailers too. Its answer is one event and trailers. */
import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";

export interface ReceivedHttp2 {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
}

export interface Http2Upstream {
  readonly port: number;
  readonly received: readonly ReceivedHttp2[];
}

const servers: Http2Server[] = [];
const sessions = new Set<ServerHttp2Session>();

export async function startHttp2Upstream(
  answer: string,
  answerTrailers: Record<string, string>,
): Promise<Http2Upstream> {
  const received: ReceivedHttp2[] = [];
  const server = createServer();
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, headers) => {
    const pieces: Buffer[] = [];
    let trailers: IncomingHttpHeaders = {};
    stream.on("error", () => undefined);
    stream.on("data", (piece: Buffer) => pieces.push(piece));
    stream.on("trailers", (fields) => {
      trailers = fields;
    });
    stream.on("end", () => {
      received.push({ headers, body: Buffer.concat(pieces), trailers });
      stream.respond({ ":status": 200, "content-type": "text/event-stream" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers(answerTrailers));
      stream.end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  servers.push(server);
  return { port: (server.address() as AddressInfo).port, received };
}

export async function closeHttp2Upstreams(): Promise<void> {
  for (const session of sessions) session.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
}
