/**
 * Admin servers of a test's own pages over real sockets on the loopback interface. `closeAdminSites` ends them, after
 * each test.
 */
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { connect, type Socket } from "node:net";
import {
  type AdminHttpServer,
  type AdminServer,
  type AdminServerOptions,
  startAdminServer,
} from "../../src/admin/admin-server.ts";
import type { AdminPage } from "../../src/admin/page.ts";
import { systemClock } from "../../src/base/clock.ts";
import { CA } from "./certificates.ts";

export const HOST = "127.0.0.1";

const started: AdminServer[] = [];
const sockets: Socket[] = [];

export async function closeAdminSites(): Promise<void> {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(started.splice(0).map((server) => server.close()));
}

export function page(path: string, answer: AdminPage["answer"], isEarly = true): AdminPage {
  return { path, summary: `Page ${path}.`, isEarly, contentType: "text/x-test", answer };
}

export const hello: AdminPage = page("/hello", async function* hello({ query }) {
  yield "hello ";
  yield Buffer.from(query.get("who") ?? "world");
});

export async function startAdminSite(
  pages: readonly AdminPage[],
  options: Partial<AdminServerOptions> = {},
): Promise<AdminHttpServer> {
  const server = await startAdminServer({
    host: HOST,
    port: 0,
    pages,
    isStarted: () => true,
    clock: systemClock,
    ...options,
  });
  started.push(server);
  return server;
}

export interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

export async function ask(port: number, path: string, method = "GET", body = ""): Promise<Answer> {
  const call = httpRequest({ host: HOST, port, path, method, agent: false }).end(body);
  return await readAnswer((await once(call, "response")) as [IncomingMessage]);
}

export async function askTls(port: number, path: string, options: RequestOptions): Promise<Answer> {
  const call = httpsRequest({ host: HOST, port, path, agent: false, ca: CA, ...options }).end();
  return await readAnswer((await once(call, "response")) as [IncomingMessage]);
}

async function readAnswer([response]: [IncomingMessage]): Promise<Answer> {
  let text = "";
  for await (const piece of response) text += String(piece);
  return { status: response.statusCode, headers: response.headers, text };
}

export async function open(port: number): Promise<Socket> {
  const socket = connect(port, HOST);
  sockets.push(socket);
  // Whether an end comes as an end or as a reset does not matter.
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}
