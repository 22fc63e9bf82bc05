/**
 * Model servers at addresses of their own (127.0.0.2, 127.0.0.3, …; Linux answers on all of them), for tests in which a
 * proxy or a picker tells servers apart by address. Each says who it is; one can be stopped.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { EndpointAddress } from "./epp.ts";

export interface AddressedServer extends EndpointAddress {
  readonly address: string;
  /** Requests that it has had, but for scrapes. */
  readonly receivedCount: number;
  /** What the next scrapes are told; unknown before. */
  queueDepthRequests: number | undefined;
  /** Breaks off every request from now on, before it answers. Scrapes are answered. */
  breakOff(): void;
  /** Takes no connections any more. */
  stop(): Promise<void>;
}

/** Headers of an answer: the name of the server, and the size of the body that it was sent. */
export const SERVED_BY = "x-served-by";
export const RECEIVED_SIZE = "x-received-size";

const started: Server[] = [];

/** Starts `server-2` at 127.0.0.2, `server-3` at 127.0.0.3 and so on. */
export async function startAddressedServers(count: number): Promise<AddressedServer[]> {
  return await Promise.all(Array.from({ length: count }, (_, index) => startAt(index + 2)));
}

export async function closeAddressedServers(): Promise<void> {
  await Promise.all(started.splice(0).map(stop));
}

async function startAt(number: number): Promise<AddressedServer> {
  const [name, address] = [`server-${number}`, `127.0.0.${number}`];
  let isBreakingOff = false;
  let receivedCount = 0;
  let queueDepthRequests: number | undefined;
  const server = createServer((request, response) => {
    if (request.url === "/metrics") return void response.end(exposition(queueDepthRequests));
    receivedCount++;
    if (isBreakingOff) return void request.socket.resetAndDestroy();
    let size = 0;
    request.on("data", (piece: Buffer) => {
      size += piece.length;
    });
    request.on("end", () => response.setHeader(SERVED_BY, name).setHeader(RECEIVED_SIZE, size).end("{}"));
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  started.push(server);
  return {
    name,
    address,
    port: (server.address() as AddressInfo).port,
    get receivedCount() {
      return receivedCount;
    },
    get queueDepthRequests() {
      return queueDepthRequests;
    },
    set queueDepthRequests(count) {
      queueDepthRequests = count;
    },
    breakOff() {
      isBreakingOff = true;
    },
    stop: () => stop(server),
  };
}

function exposition(queueDepthRequests: number | undefined): string {
  const gauge = (name: string, value: number): string => `# TYPE ${name} gauge\n${name} ${value}\n`;
  const running = gauge("vllm:num_requests_running", 0);
  return queueDepthRequests === undefined ? running : running + gauge("vllm:num_requests_waiting", queueDepthRequests);
}

async function stop(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}
