/**
 * A small HTTP/1.1 proxy that asks an endpoint picker over ext_proc, message for message as Envoy does. It stands in
 * for Envoy where there is none: `npm start`, and tests. Production uses Envoy.
 *
 * Here is the server and what its exchanges share; `exchange.ts` is one exchange.
 */
import { Agent, createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, systemClock } from "../base/clock.ts";
import { Prng, randomSeed } from "../base/prng.ts";
import { beginExchange } from "./exchange.ts";
import type { ExchangeRecord } from "./exchange-record.ts";
import type { HostPort } from "./http-headers.ts";
import { PickerClient } from "./picker-call.ts";

export interface DevproxyOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly picker: HostPort;
  /** Go on without a picker that fails, where nothing is lost by it. False by default, as in an InferencePool. */
  readonly failureModeAllow?: boolean;
  /** Model server for requests that have no pick because the picker left. Without it they are answered with 503. */
  readonly fallback?: HostPort;
  /** Exchanges at once; EXCHANGES_MAX by default. One more is answered with 503 and not shown to the picker. */
  readonly exchangesMax?: number;
  readonly clock?: Clock;
  /** Makes the request ids of requests that have none. */
  readonly prng?: Prng;
  /** Called once for each exchange, when it is over. */
  readonly onExchange?: (record: ExchangeRecord) => void;
}

export interface Devproxy {
  readonly port: number;
  /** Breaks off what is under way, and resolves when the port is free. */
  close(): Promise<void>;
}

/** Four times what Envoy's circuit breakers let through by default: more than a development machine has use for. */
const EXCHANGES_MAX = 4096;
/** Envoy's default. */
const HEADERS_SIZE_MAX = 60 * 1024;

/** Listens. Rejects when the port is taken. */
export async function startDevproxy(options: DevproxyOptions): Promise<Devproxy> {
  const clock = options.clock ?? systemClock;
  const prng = options.prng ?? new Prng(randomSeed());
  const picker = new PickerClient(options.picker, clock);
  const agent = new Agent({ keepAlive: true });
  const exchangesMax = options.exchangesMax ?? EXCHANGES_MAX;
  let exchangeCount = 0;
  const environment = {
    picker,
    agent,
    clock,
    newRequestId: () => uuid(prng),
    failureModeAllow: options.failureModeAllow ?? false,
    fallback: options.fallback,
    onDone(record: ExchangeRecord): void {
      exchangeCount--;
      options.onExchange?.(record);
    },
  };
  // A prompt may take longer to arrive than Node's five minutes, and Envoy sets no limit either.
  const server = createServer({ maxHeaderSize: HEADERS_SIZE_MAX, requestTimeout: 0 }, (request, response) => {
    response.sendDate = false;
    if (exchangeCount >= exchangesMax) return refuse(request, response);
    exchangeCount++;
    beginExchange(environment, request, response);
  });
  try {
    await listen(server, options);
  } catch (error) {
    picker.close();
    throw error;
  }
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // To the exchanges it looks as if their clients left.
      server.closeAllConnections();
      agent.destroy();
      picker.close();
      await closed;
    },
  };
}

function listen(server: Server, { host, port }: DevproxyOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function refuse(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  response.writeHead(503, { "content-type": "text/plain" });
  response.end("overload");
}

/** RFC 9562, version 4, from the proxy's own generator: a test with a seed sees the same ids again. */
function uuid(prng: Prng): string {
  const words = Uint32Array.from({ length: 4 }, () => prng.nextU32());
  const bytes = Buffer.from(words.buffer);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
