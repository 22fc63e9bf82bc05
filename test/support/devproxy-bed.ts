/**
 * A test bed on loopback: HTTP client → devproxy → scripted picker, and → model server by node:http. Everything listens
 * on a free port and is closed by `closeBeds`, which each test file calls after each test.
 */
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type RequestListener,
  type RequestOptions,
  request,
  type Server,
} from "node:http";
import type { AddressInfo } from "node:net";
import { Prng } from "../../src/base/prng.ts";
import { type Devproxy, type DevproxyOptions, startDevproxy } from "../../src/devproxy/devproxy.ts";
import type { ExchangeRecord } from "../../src/devproxy/exchange-record.ts";
import {
  pickEndpoint,
  type Script,
  type ScriptedPicker,
  type ScriptedPickerOptions,
  startScriptedPicker,
} from "./scripted-ext-proc.ts";

const LOOPBACK = "127.0.0.1";

export interface Bed {
  readonly proxy: Devproxy;
  readonly picker: ScriptedPicker;
  readonly upstreamPort: number;
  /** Requests that the model server has got. */
  readonly upstreamRequests: readonly IncomingMessage[];
  /** Of the exchanges that are over. */
  readonly records: readonly ExchangeRecord[];
  /** Resolves with the record of that index when that exchange is over. */
  record(index: number): Promise<ExchangeRecord>;
}

export interface BedOptions {
  /** Of the model server; "ok" by default. */
  readonly upstream?: RequestListener;
  /** The picker's, given the model server's `ip:port`; `pickEndpoint` by default. */
  readonly script?: (endpoint: string) => Script;
  readonly pickerOptions?: ScriptedPickerOptions;
  readonly proxy?: Partial<DevproxyOptions>;
}

const closers: (() => Promise<void>)[] = [];

export async function closeBeds(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}

/** A model server; its port. */
export async function startUpstream(listener: RequestListener): Promise<number> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** A port where nobody listens. */
export async function deadPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function startBed({
  upstream = answerOk,
  script = pickEndpoint,
  pickerOptions = {},
  proxy = {},
}: BedOptions = {}): Promise<Bed> {
  const upstreamRequests: IncomingMessage[] = [];
  const upstreamPort = await startUpstream((incoming, response) => {
    upstreamRequests.push(incoming);
    upstream(incoming, response);
  });
  const picker = await startScriptedPicker(script(`${LOOPBACK}:${upstreamPort}`), pickerOptions);
  closers.push(() => picker.close());
  const records: ExchangeRecord[] = [];
  const waiting: (() => void)[] = [];
  const devproxy = await startDevproxy({
    host: LOOPBACK,
    port: 0,
    picker: { host: LOOPBACK, port: picker.port },
    prng: new Prng(1),
    onExchange(record) {
      records.push(record);
      for (const wake of waiting.splice(0)) wake();
    },
    ...proxy,
  });
  closers.push(() => devproxy.close());
  return {
    proxy: devproxy,
    picker,
    upstreamPort,
    upstreamRequests,
    records,
    async record(index) {
      while (records.length <= index) await new Promise<void>((resolve) => waiting.push(resolve));
      return records[index] as ExchangeRecord;
    },
  };
}

const answerOk: RequestListener = (incoming, response) => {
  incoming.resume();
  incoming.on("end", () => response.end("ok"));
};

/** Begins an answer of two chunks, and writes the second when it is told to. */
export function twoChunks(): {
  readonly listener: RequestListener;
  readonly next: () => void;
  readonly reset: () => void;
} {
  let next = (): void => {};
  let reset = (): void => {};
  return {
    listener: (_, response) => {
      response.write("first");
      next = () => response.end("second");
      reset = () => response.destroy();
    },
    next: () => next(),
    reset: () => reset(),
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly trailers: IncomingMessage["trailers"];
}

/** Sends a request whose body is written in those pieces, and reads the whole answer. Rejects when it is cut off. */
export async function ask(
  port: number,
  options: RequestOptions = {},
  pieces: readonly (string | Buffer)[] = [],
): Promise<Answer> {
  const response = await beginAsk(port, options, pieces);
  return { ...head(response), body: await readAll(response), trailers: response.trailers };
}

/** The same up to the answer's head. */
export function beginAsk(
  port: number,
  options: RequestOptions = {},
  pieces: readonly (string | Buffer)[] = [],
  trailers: OutgoingHttpHeaders = {},
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: LOOPBACK, port, agent: false, ...options }, resolve);
    outgoing.on("error", reject);
    for (const piece of pieces) outgoing.write(piece);
    if (Object.keys(trailers).length > 0) outgoing.addTrailers(trailers);
    outgoing.end();
  });
}

function head(response: IncomingMessage): Omit<Answer, "body" | "trailers"> {
  return { status: response.statusCode ?? 0, headers: response.headers, rawHeaders: response.rawHeaders };
}

export async function readAll(message: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of message) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** Turns of the event loop without a change after which nothing more is on its way within this process. */
const QUIET_TURNS = 3_000;

/** Resolves with the value when it has stopped to change. */
export async function settled(value: () => number): Promise<number> {
  let last = value();
  for (let turn = 0; turn < QUIET_TURNS; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (value() === last) continue;
    last = value();
    turn = 0;
  }
  return last;
}
