/**
 * The gRPC side of the proxy: one connection to the picker, one bidirectional stream per exchange, messages as bytes
 * through our own codec.
 *
 *   opened ── answers ──► ended by the picker ──► onEnd(undefined or why)
 *          ── end() ────► half closed: the picker has LINGER_MS to end it, then it is cancelled
 *          ── cancel() ─► onEnd is not called any more
 */
import { Client, type ClientDuplexStream, credentials, type StatusObject, status } from "@grpc/grpc-js";
import type { Clock, Timer } from "../base/clock.ts";
import { decodeProcessingResponse, type ProcessingResponse } from "../wire/ext-proc/response-decoder.ts";
import { WireError } from "../wire/wire-error.ts";
import type { HostPort } from "./http-headers.ts";

const PROCESS_PATH = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

/** What a picker gets for its last words after the exchange is over. Nothing waits for them. */
const LINGER_MS = 5_000;
/** A developer restarts the picker often: the connection is tried again at once, not after gRPC's two minutes. */
const RECONNECT_MS_MIN = 100;
const RECONNECT_MS_MAX = 1_000;

export interface PickerCallHandlers {
  onResponse(response: ProcessingResponse): void;
  /** `send` has returned false before; there is room again. */
  onDrain(): void;
  /** The picker ended the stream: by itself when `failure` is undefined, else with an error. */
  onEnd(failure: string | undefined): void;
}

export class PickerClient {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #calls: Set<PickerCall> = new Set();

  constructor(picker: HostPort, clock: Clock) {
    const host = picker.host.includes(":") ? `[${picker.host}]` : picker.host;
    this.#client = new Client(`${host}:${picker.port}`, credentials.createInsecure(), {
      "grpc.enable_http_proxy": 0,
      "grpc.initial_reconnect_backoff_ms": RECONNECT_MS_MIN,
      "grpc.max_reconnect_backoff_ms": RECONNECT_MS_MAX,
      "grpc.max_receive_message_length": -1,
    });
    this.#clock = clock;
  }

  /** Starts a stream. Connects when there is no connection; what is sent meanwhile waits. */
  open(handlers: PickerCallHandlers): PickerCall {
    const stream = this.#client.makeBidiStreamRequest(PROCESS_PATH, asIs, asIs);
    const call = new PickerCall(stream, this.#clock, handlers, () => this.#calls.delete(call));
    this.#calls.add(call);
    return call;
  }

  /** Cancels what is still open. */
  close(): void {
    for (const call of this.#calls) call.cancel();
    this.#client.close();
  }
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

export class PickerCall {
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  readonly #clock: Clock;
  readonly #handlers: PickerCallHandlers;
  readonly #onClosed: () => void;
  #status: StatusObject | undefined;
  #hasReadAll = false;
  #isClosed = false;
  #isHalfClosed = false;
  #linger: Timer | undefined;

  constructor(
    stream: ClientDuplexStream<Buffer, Buffer>,
    clock: Clock,
    handlers: PickerCallHandlers,
    onClosed: () => void,
  ) {
    this.#stream = stream;
    this.#clock = clock;
    this.#handlers = handlers;
    this.#onClosed = onClosed;
    stream.on("data", (bytes: Buffer) => this.#onMessage(bytes));
    stream.on("drain", () => handlers.onDrain());
    // The status can come while answers are still to be read, so the end is when both have come.
    stream.on("end", () => {
      this.#hasReadAll = true;
      this.#endWhenDone();
    });
    stream.on("status", (result) => {
      this.#status = result;
      this.#endWhenDone();
    });
    // Repeats the status.
    stream.on("error", () => {});
  }

  /** False when the picker takes no more for now: `onDrain` follows. What is sent after the end is dropped. */
  send(message: Buffer): boolean {
    return this.#isClosed || this.#isHalfClosed ? true : this.#stream.write(message);
  }

  /** Answers wait. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Nothing more to say. */
  end(): void {
    if (this.#isClosed || this.#isHalfClosed) return;
    this.#isHalfClosed = true;
    this.#stream.end();
    this.#stream.resume();
    this.#linger = this.#clock.setTimeout(() => this.cancel(), LINGER_MS);
  }

  cancel(): void {
    if (this.#isClosed) return;
    this.#close();
    this.#stream.cancel();
    this.#stream.resume();
  }

  #onMessage(bytes: Buffer): void {
    if (this.#isClosed) return;
    let response: ProcessingResponse;
    try {
      response = decodeProcessingResponse(bytes);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.cancel();
      this.#handlers.onEnd(`the picker's answer is malformed: ${error.message}`);
      return;
    }
    this.#handlers.onResponse(response);
  }

  #endWhenDone(): void {
    if (this.#isClosed || this.#status === undefined || !this.#hasReadAll) return;
    this.#close();
    const { code, details } = this.#status;
    this.#handlers.onEnd(code === status.OK ? undefined : `gRPC status ${code}: ${details}`);
  }

  #close(): void {
    this.#isClosed = true;
    this.#linger?.cancel();
    this.#onClosed();
  }
}
