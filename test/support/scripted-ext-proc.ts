/**
 * A picker for tests of proxies: a real gRPC server that keeps what it receives and answers by script. `pickEndpoint`
 * is the script of a well-behaved picker; tests put their own steps before it.
 */
import { Server, ServerCredentials, type ServerDuplexStream, type ServiceDefinition } from "@grpc/grpc-js";
import { decodeProcessingRequest, type ProcessingRequest } from "../../src/wire/ext-proc/request-decoder.ts";
import {
  encodeHeadersResponse,
  encodeStreamedBodyResponse,
  encodeTrailersResponse,
  type HeaderSetting,
  type Phase,
} from "../../src/wire/ext-proc/response-encoder.ts";

/** How a proxy ended a stream. */
export type StreamEnd = "half-closed" | "cancelled";

export interface ScriptedStream {
  /** All messages so far. */
  readonly received: readonly ProcessingRequest[];
  /** Resolves with the message of that index when it has come. */
  message(index: number): Promise<ProcessingRequest>;
  send(message: Buffer): void;
  /** Ends the stream with status OK. */
  end(): void;
  /** Ends it with a gRPC status. */
  fail(code: number, details: string): void;
  readonly ended: Promise<StreamEnd>;
  /** Answers that wait because the proxy does not read. */
  unsentCount(): number;
}

/** Called for each message, after it has been kept. */
export type Script = (stream: ScriptedStream, message: ProcessingRequest) => void;

export interface ScriptedPicker {
  readonly port: number;
  readonly streams: readonly ScriptedStream[];
  /** Resolves with the stream of that index when it has been opened. */
  stream(index: number): Promise<ScriptedStream>;
  close(): Promise<void>;
}

const SERVICE: ServiceDefinition = {
  process: {
    path: "/envoy.service.ext_proc.v3.ExternalProcessor/Process",
    requestStream: true,
    responseStream: true,
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  },
};

export interface ScriptedPickerOptions {
  /** A free one by default. */
  readonly port?: number;
  /** False for a picker that never ends a stream, although the exchange is over. */
  readonly endsStreams?: boolean;
}

/** Listens on 127.0.0.1. */
export async function startScriptedPicker(
  script: Script,
  { port = 0, endsStreams = true }: ScriptedPickerOptions = {},
): Promise<ScriptedPicker> {
  const streams = new Awaitable<ScriptedStream>();
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  server.addService(SERVICE, {
    process: (call: ServerDuplexStream<Buffer, Buffer>) => streams.push(scriptedStream(call, script, endsStreams)),
  });
  const portBound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port: portBound,
    streams: streams.items,
    stream: (index) => streams.at(index),
    close: async () => server.forceShutdown(),
  };
}

function scriptedStream(
  call: ServerDuplexStream<Buffer, Buffer>,
  script: Script,
  endsStreams: boolean,
): ScriptedStream {
  const received = new Awaitable<ProcessingRequest>();
  const stream: ScriptedStream = {
    received: received.items,
    message: (index) => received.at(index),
    send: (message) => call.write(message),
    end: () => call.end(),
    unsentCount: () => call.writableLength,
    fail: (code, details) => call.emit("error", { code, details }),
    ended: new Promise((resolve) => {
      call.on("cancelled", () => resolve("cancelled"));
      // Node's HTTP/2 half-closes a stream before it resets it, so an end within an exchange is waited out.
      call.on("end", () => {
        if (!endsStreams || !isOver(received.items.at(-1))) return;
        call.end();
        resolve("half-closed");
      });
    }),
  };
  call.on("data", (bytes: Buffer) => {
    const message = decodeProcessingRequest(bytes);
    received.push(message);
    script(stream, message);
  });
  return stream;
}

/** No message follows this one. */
function isOver(message: ProcessingRequest | undefined): boolean {
  if (message?.kind === "responseTrailers") return true;
  return (message?.kind === "responseHeaders" || message?.kind === "responseBody") && message.endOfStream;
}

/** A list whose items can be waited for. */
class Awaitable<T> {
  readonly items: T[] = [];
  readonly #waiting: (() => void)[] = [];

  push(item: T): void {
    this.items.push(item);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async at(index: number): Promise<T> {
    while (this.items.length <= index) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.items[index] as T;
  }
}

export interface PickOptions {
  readonly requestHeaders?: readonly HeaderSetting[];
  readonly responseHeaders?: readonly HeaderSetting[];
  readonly removeRequestHeaders?: readonly string[];
  readonly removeResponseHeaders?: readonly string[];
}

/**
 * As llm-d's picker: answers the request when all of it has come, in one burst, and the response message by message.
 */
export function pickEndpoint(endpoint: string, options: PickOptions = {}): Script {
  const pick: HeaderSetting = { name: "x-gateway-destination-endpoint", value: endpoint };
  return (stream, message) => {
    switch (message.kind) {
      case "requestHeaders":
        if (message.endOfStream) stream.send(pickedHeaders(pick, options));
        break;
      case "requestBody":
        if (message.endOfStream) sendRequest(stream, pick, options, true);
        break;
      case "requestTrailers":
        sendRequest(stream, pick, options, false);
        stream.send(encodeTrailersResponse("request"));
        break;
      case "responseHeaders":
        stream.send(
          encodeHeadersResponse("response", {
            setHeaders: [{ name: "x-went-into-resp-headers", value: "true" }, ...(options.responseHeaders ?? [])],
            removeHeaders: options.removeResponseHeaders ?? [],
          }),
        );
        break;
      case "responseBody":
        stream.send(encodeStreamedBodyResponse("response", message.body, message.endOfStream));
        break;
      case "responseTrailers":
        stream.send(encodeTrailersResponse("response"));
        break;
      default:
        throw new Error(`a proxy sent a message of kind ${message.kind}`);
    }
  };
}

/** A good picker, except for what it does with messages of one kind. */
export function except(
  kind: string,
  step: (stream: ScriptedStream, endpoint: string) => void,
): (endpoint: string) => Script {
  return (endpoint) => (stream, message) => {
    if (message.kind === kind) step(stream, endpoint);
    else pickEndpoint(endpoint)(stream, message);
  };
}

/** The answer to a request's headers: this endpoint, and what else is to be set. */
export function pickOf(endpoint: string, ...more: { name: string; value: string }[]): Buffer {
  return encodeHeadersResponse("request", {
    setHeaders: [{ name: "x-gateway-destination-endpoint", value: endpoint }, ...more],
  });
}

/** The body as it came, in pieces of 62,000 bytes. */
function sendRequest(stream: ScriptedStream, pick: HeaderSetting, options: PickOptions, isEnd: boolean): void {
  stream.send(pickedHeaders(pick, options));
  const body = bodyOf(stream, "request");
  for (let start = 0; start === 0 || start < body.length; start += 62_000) {
    const piece = body.subarray(start, start + 62_000);
    stream.send(encodeStreamedBodyResponse("request", piece, isEnd && start + piece.length === body.length));
  }
}

function pickedHeaders(pick: HeaderSetting, options: PickOptions): Buffer {
  return encodeHeadersResponse("request", {
    setHeaders: [pick, ...(options.requestHeaders ?? [])],
    removeHeaders: options.removeRequestHeaders ?? [],
    clearRouteCache: true,
    dynamicMetadata: { "envoy.lb": { [pick.name]: pick.value as string } },
  });
}

/** The bodies of one phase that a stream has received, joined. */
export function bodyOf(stream: ScriptedStream, phase: Phase): Buffer {
  const pieces = stream.received.filter((message) => message.kind === `${phase}Body`);
  return Buffer.concat(pieces.map((message) => ("body" in message ? message.body : Buffer.alloc(0))));
}
