/**
 * A model server that tells what it was sent, for tests of proxies: each answer says method, path, headers and a hash
 * of the body. A test may answer a path itself.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly size: number;
  readonly sha256: string;
}

export interface Upstream {
  readonly port: number;
}

const running: Server[] = [];

/** Starts one; `answers` are listeners by path. `/metrics` says that nothing waits. */
export async function startUpstream(answers: Readonly<Record<string, RequestListener>> = {}): Promise<Upstream> {
  const server = createServer((request, response) => {
    const listener = answers[request.url ?? ""] ?? (request.url === "/metrics" ? answerIdle : tellReceived);
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  running.push(server);
  return { port: (server.address() as AddressInfo).port };
}

export async function closeUpstreams(): Promise<void> {
  for (const server of running.splice(0)) {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }
}

export function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const answerIdle: RequestListener = (_request, response) =>
  void response.end("# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting 0\n");

const tellReceived: RequestListener = (request, response) => {
  const hash = createHash("sha256");
  let size = 0;
  request.on("data", (piece: Buffer) => {
    hash.update(piece);
    size += piece.length;
  });
  request.on("end", () => {
    const { method = "", url: path = "", headers } = request;
    const received: Received = { method, path, headers, size, sha256: hash.digest("hex") };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(received));
  });
};
