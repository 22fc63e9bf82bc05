/**
 * What an exchange costs a shard beside its transport: messages are decoded, the body is scanned, an endpoint of 100 is
 * picked by the default profile and charged, the body and the response pass, all is counted, and the index writer takes
 * in what was picked. Messages are Envoy's, one stream after the other or several at once. The baseline decodes the
 * same messages and echoes the bodies: what any picker has to do.
 */
import { Prng } from "../../src/base/prng.ts";
import type { Conversation } from "../../src/extproc/conversation.ts";
import { IndexWriter } from "../../src/wasm/index-writer.ts";
import { decodeProcessingRequest } from "../../src/wire/ext-proc/request-decoder.ts";
import { encodeHeadersResponse, encodeStreamedBodyResponse } from "../../src/wire/ext-proc/response-encoder.ts";
import type { BenchSize, MicroBench, MicroBenchCase } from "../harness.ts";
import { type InProcessShard, inProcessShard, Outbox } from "../in-process-shard.ts";
import { type ExchangeScript, makeScripts, type ScriptMessage } from "../load/exchange-script.ts";
import { SERIAL_SIZE, writeSerialDigits } from "../load/prompts.ts";

interface Shape {
  readonly bodyKib: number;
  readonly chunks: number;
  /** Streams whose messages come in turn. */
  readonly streams: number;
}

const SHAPES: readonly Shape[] = [
  { bodyKib: 4, chunks: 1, streams: 1 },
  { bodyKib: 4, chunks: 1, streams: 64 },
  { bodyKib: 4, chunks: 100, streams: 1 },
  { bodyKib: 256, chunks: 1, streams: 1 },
];

/** Bytes of a body per message. */
const PIECE_SIZE = 65_536;
/** Bytes of a gRPC frame before the message. */
const GRPC_HEAD_SIZE = 5;
const PREFIX_GROUPS = 64;

const SCALES = {
  small: { endpoints: 8, indexSlotsLog2: 13, blocksPerEndpoint: 512 },
  large: { endpoints: 100, indexSlotsLog2: 20, blocksPerEndpoint: 6_000 },
} as const;

export const exchangeBench: MicroBench = {
  name: "exchange",
  unit: "exchange",
  cases: (size, seed) => SHAPES.map((shape) => exchangeCase(shape, size, seed)),
};

function exchangeCase(shape: Shape, size: BenchSize, seed: number): MicroBenchCase {
  const bench = new Exchanges(shape, size, seed);
  return {
    label: `${shape.bodyKib} KiB, ${shape.chunks} chunk${shape.chunks > 1 ? "s" : ""}, ${shape.streams} at once`,
    operationsPerCall: shape.streams,
    kernel: () => bench.run(),
    baseline: () => bench.echo(),
    baselineName: "decode and echo",
    check: () => bench.check(),
  };
}

class Exchanges {
  readonly #shape: Shape;
  readonly #scripts: readonly (readonly ScriptMessage[])[];
  readonly #requestCount: number;
  readonly #shard: InProcessShard;
  readonly #writer: IndexWriter;
  readonly #echoed = new Outbox();
  readonly #streams: Conversation[] = [];
  #serial = 1;

  constructor(shape: Shape, size: BenchSize, seed: number) {
    const { endpoints, indexSlotsLog2, blocksPerEndpoint } = SCALES[size];
    this.#shape = shape;
    const scripts = makeScripts(
      {
        path: "/v1/chat/completions",
        model: "llama-70b",
        bodySize: shape.bodyKib * 1024,
        pieceSize: PIECE_SIZE,
        prefixGroupCount: PREFIX_GROUPS,
        prefixShare: 0.5,
        chunkCount: shape.chunks,
      },
      new Prng(seed),
    );
    this.#scripts = scripts.map(messagesOf);
    this.#requestCount = scripts[0]?.requestCount ?? 0;
    this.#shard = inProcessShard({
      endpointCount: endpoints,
      windowCount: Math.max(16, shape.streams),
      seed,
      indexSlotsLog2,
    });
    this.#writer = new IndexWriter({
      memory: this.#shard.fleet.memory,
      lanes: { blocksPerEndpoint, blocksTotal: endpoints * blocksPerEndpoint },
    });
  }

  /** As many exchanges as there are streams. */
  run(): void {
    const { streams: count } = this.#shape;
    const streams = this.#streams;
    for (let stream = 0; stream < count; stream++) streams[stream] = this.#shard.open();
    const script = this.#scripts[0] ?? [];
    for (let message = 0; message < script.length; message++) {
      if (message === this.#requestCount) this.#shard.turn();
      for (let stream = 0; stream < count; stream++) {
        streams[stream]?.onMessage(this.#message(this.#serial + stream, message));
      }
    }
    for (let stream = 0; stream < count; stream++) streams[stream]?.onClose("cancelled");
    this.#serial += count;
    while (this.#writer.drain() > 0);
  }

  /** The same messages, decoded and echoed. */
  echo(): void {
    const { streams: count } = this.#shape;
    const length = this.#scripts[0]?.length ?? 0;
    for (let message = 0; message < length; message++) {
      for (let stream = 0; stream < count; stream++) {
        echoMessage(this.#message(this.#serial + stream, message), this.#echoed);
      }
    }
    this.#serial += count;
  }

  /** Both send as much, but for the pick. */
  check(): string {
    const before = { size: this.#shard.sentSize, count: this.#shard.finishedCount };
    const echoedBefore = this.#echoed.size;
    this.run();
    this.echo();
    const sent = this.#shard.sentSize - before.size;
    const echoed = this.#echoed.size - echoedBefore;
    const finished = this.#shard.finishedCount - before.count;
    const { streams, bodyKib } = this.#shape;
    if (finished !== streams) throw new Error(`${finished} of ${streams} exchanges came to their end`);
    if (sent < streams * bodyKib * 1024 || Math.abs(sent - echoed) > streams * 256) {
      throw new Error(`${sent} bytes were sent, ${echoed} echoed`);
    }
    return `${sent} bytes`;
  }

  #message(serial: number, message: number): Buffer {
    const { bytes, serialAt } = (this.#scripts[serial % PREFIX_GROUPS] ?? [])[message] as ScriptMessage;
    if (serialAt !== undefined) writeSerialDigits(bytes, serialAt, serial, 0, SERIAL_SIZE);
    return bytes;
  }
}

const ENDPOINT = { name: "x-gateway-destination-endpoint", value: "192.0.2.1:8000" };

function echoMessage(bytes: Buffer, outbox: Outbox): void {
  const message = decodeProcessingRequest(bytes);
  switch (message.kind) {
    case "requestHeaders":
      outbox.send(
        encodeHeadersResponse("request", {
          setHeaders: [ENDPOINT],
          clearRouteCache: true,
          dynamicMetadata: { "envoy.lb": { [ENDPOINT.name]: ENDPOINT.value } },
        }),
      );
      break;
    case "responseHeaders":
      outbox.send(encodeHeadersResponse("response", { setHeaders: [ENDPOINT] }));
      break;
    case "requestBody":
      outbox.send(encodeStreamedBodyResponse("request", message.body, message.endOfStream));
      break;
    case "responseBody":
      outbox.send(encodeStreamedBodyResponse("response", message.body, message.endOfStream));
      break;
    default:
      throw new Error(`a message of kind ${message.kind}`);
  }
}

/** Out of their gRPC frames. */
function messagesOf({ messages }: ExchangeScript): ScriptMessage[] {
  return messages.map(({ bytes, serialAt }) => ({
    bytes: bytes.subarray(GRPC_HEAD_SIZE),
    serialAt: serialAt === undefined ? undefined : serialAt - GRPC_HEAD_SIZE,
  }));
}
