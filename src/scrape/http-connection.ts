/**
 * One connection to one server, kept alive between requests, for the same GET again and again. Sockets read into a
 * buffer that all connections share, so an answer is neither allocated nor copied on its way to whoever reads it.
 *
 * Own code, because what a scrape costs is its HTTP client: for 60 KB 34 µs of CPU here, 147 by undici, 235 by
 * node:http (Node 20, 2,000 a second, 2026-11, Xeon 2 vCPU; `bench/scrape-load.ts` has the whole, scanning included).
 *
 *   closed ──get──► connecting ──► waiting ──answer──► idle ──get──► waiting
 *      ▲                │             │                  │
 *      └────────────────┴── fault ────┴── server closes ─┘
 */
import { connect, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { messageOf } from "../base/errors.ts";
import { type BodySink, HttpResponseReader } from "./http-response.ts";

export interface HttpTarget {
  /** IP address without brackets. */
  readonly address: string;
  readonly port: number;
  /** `address:port` as the host header says it. */
  readonly hostPort: string;
  readonly path: string;
  /** Undefined: plain http. */
  readonly tls: ConnectionOptions | undefined;
}

/** What becomes of a request: one call of `onDone` or `onFailed`, unless the connection is closed first. */
export interface HttpExchange {
  readonly onBody: BodySink;
  onDone(): void;
  onFailed(reason: string): void;
}

export interface HttpConnectionOptions {
  readonly target: HttpTarget;
  /** Media types that are asked for. */
  readonly accept: string;
  readonly bodySizeMax: number;
  /** Shared by all connections of the thread. */
  readonly receiveBuffer: Buffer;
  readonly exchange: HttpExchange;
}

export class HttpConnection {
  readonly #options: HttpConnectionOptions;
  readonly #request: Buffer;
  readonly #reader: HttpResponseReader;
  readonly #onBody: BodySink;
  #socket: Socket | undefined;
  #isWaiting = false;
  /** The socket has carried a request before: it may have been closed by the server meanwhile, which says nothing. */
  #isUsed = false;

  constructor(options: HttpConnectionOptions) {
    const { target, accept, bodySizeMax, exchange } = options;
    this.#options = options;
    this.#reader = new HttpResponseReader(bodySizeMax);
    this.#onBody = (bytes, from, end) => {
      if (this.#reader.statusCode === 200) exchange.onBody(bytes, from, end);
    };
    this.#request = Buffer.from(
      `GET ${target.path} HTTP/1.1\r\nhost: ${target.hostPort}\r\naccept: ${accept}\r\n` +
        "accept-encoding: identity\r\nuser-agent: magpie\r\n\r\n",
    );
  }

  /** A request is under way. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Sends the request. None may be under way. */
  get(): void {
    this.#isWaiting = true;
    this.#send();
  }

  /** Gives the request that is under way up; the next one begins on a new connection. */
  abort(reason: string): void {
    this.#drop();
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#options.exchange.onFailed(reason);
  }

  /** Ends the connection. Nothing is told of a request that is under way. */
  close(): void {
    this.#isWaiting = false;
    this.#drop();
  }

  #send(): void {
    this.#reader.reset();
    const socket = this.#socket ?? this.#connect();
    this.#socket = socket;
    socket.write(this.#request);
  }

  #connect(): Socket {
    this.#isUsed = false;
    const { target, receiveBuffer } = this.#options;
    const { address: host, port, tls } = target;
    const read = (size: number, bytes: Buffer): boolean => {
      if (socket === this.#socket) this.#read(bytes, size);
      return true;
    };
    const socket =
      tls === undefined
        ? connect({ host, port, noDelay: true, onread: { buffer: receiveBuffer, callback: readInto(read) } })
        : connectTls({ ...tls, host, port }).on("data", (bytes: Buffer) => void read(bytes.length, bytes));
    socket.on("error", (error) => {
      if (socket === this.#socket) this.#lose(messageOf(error));
    });
    socket.on("close", () => {
      if (socket === this.#socket) this.#lose("closed the connection before its answer was complete");
    });
    return socket;
  }

  #read(bytes: Buffer, size: number): void {
    try {
      // Throws for bytes that nobody asked for: the reader is done then.
      this.#reader.read(bytes, size, this.#onBody);
    } catch (error) {
      return this.abort(messageOf(error));
    }
    const { statusCode } = this.#reader;
    if (statusCode !== 0 && statusCode !== 200) return this.abort(`answered ${statusCode}`);
    if (this.#reader.isDone) this.#finish();
  }

  #finish(): void {
    this.#isWaiting = false;
    this.#isUsed = true;
    if (!this.#reader.isReusable) this.#drop();
    this.#options.exchange.onDone();
  }

  /** The socket is gone. A request that it had not begun to answer is sent once more, on a fresh one. */
  #lose(reason: string): void {
    const wasUsed = this.#isUsed;
    this.#drop();
    if (!this.#isWaiting) return;
    if (this.#reader.end()) this.#finish();
    else if (wasUsed && !this.#reader.hasBegun) this.#send();
    else this.abort(reason);
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }
}

/** Node types the buffer of `onread` as a Uint8Array; it is the Buffer that was given. */
function readInto(read: (size: number, bytes: Buffer) => boolean): (size: number, bytes: Uint8Array) => boolean {
  return (size, bytes) => read(size, bytes as Buffer);
}
