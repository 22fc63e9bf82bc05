/** The metrics port: `GET /metrics` in Prometheus text. Served by the control thread; no request passes here. */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { Registry } from "prom-client";
import { assert } from "../base/assert.ts";
import { ConfigError, messageOf } from "../base/errors.ts";

export interface AdminServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Throws a ConfigError when the port cannot be had. */
export async function startMetricsServer(options: {
  readonly host: string;
  readonly port: number;
  readonly registry: Registry;
}): Promise<AdminServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split("?", 1)[0];
    if (request.method !== "GET") return answer(response, 405, "only GET is served here\n");
    if (path !== "/metrics") return answer(response, 404, "not found; served here: /metrics\n");
    options.registry.metrics().then(
      (text) => answer(response, 200, text, options.registry.contentType),
      (error: unknown) => answer(response, 500, `${messageOf(error)}\n`),
    );
  });
  return { port: await listenOrExplain(server, options, "--metrics-port"), close: () => closeServer(server) };
}

function answer(response: ServerResponse, status: number, body: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "content-type": type }).end(body);
}

function listenOrExplain(
  server: Server,
  { host, port }: { host: string; port: number },
  flag: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reason =
        error.code === "EADDRINUSE" ? "is taken by another program" : `cannot be listened on: ${error.message}`;
      reject(new ConfigError(`port ${port} on ${host} ${reason}; choose another one with ${flag}`, { cause: error }));
    });
    server.listen(port, host, () => {
      const address = server.address();
      assert(typeof address === "object" && address !== null, "a TCP listener has an address");
      resolve(address.port);
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
