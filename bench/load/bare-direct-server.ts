/**
 * The bare server on the picker's direct transport: what is left of a picker's cost when neither prompts are read nor
 * endpoints picked, and HTTP/2 is our own. The floor of what this transport allows.
 */
import { systemClock } from "../../src/base/clock.ts";
import { listenDirect } from "../../src/extproc/transport/direct/direct.ts";
import { PROCESS_PATH } from "../../src/extproc/transport/transport.ts";
import type { GrpcCall, GrpcHandler } from "../../src/platform/grpc-call.ts";
import { BareExchange } from "./bare-answers.ts";
import type { BareServer } from "./bare-server.ts";

/** Larger than any message of a bench. */
const MESSAGE_SIZE_MAX = 64 * 1024 * 1024;

/** Listens on the loopback interface. */
export async function startBareDirectServer(port: number): Promise<BareServer> {
  const transport = await listenDirect({
    host: "127.0.0.1",
    port,
    reusePort: false,
    routes: new Map([[PROCESS_PATH, (call: GrpcCall) => new BareCall(call)]]),
    messageSizeMax: MESSAGE_SIZE_MAX,
    clock: systemClock,
  });
  return { port: transport.port, close: () => transport.close() };
}

class BareCall implements GrpcHandler {
  readonly #call: GrpcCall;
  readonly #exchange = new BareExchange();
  /** A message that comes in pieces, so far. */
  #message: Buffer | undefined;
  #size = 0;

  constructor(call: GrpcCall) {
    this.#call = call;
  }

  onMessage(message: Buffer): void {
    for (const answer of this.#exchange.answersTo(message)) this.#call.send(answer);
  }

  onMessagePiece(bytes: Buffer, left: number): void {
    this.#message ??= spare.pop() ?? Buffer.allocUnsafeSlow(SPARE_SIZE);
    if (this.#size + bytes.length + left > this.#message.length) {
      const larger = Buffer.allocUnsafeSlow(this.#size + bytes.length + left);
      this.#message.copy(larger, 0, 0, this.#size);
      this.#message = larger;
    }
    bytes.copy(this.#message, this.#size);
    this.#size += bytes.length;
    if (left > 0) return;
    this.onMessage(this.#message.subarray(0, this.#size));
    this.#forget();
  }

  onHalfClose(): void {
    this.#call.end();
  }

  onClose(): void {
    this.#forget();
  }

  #forget(): void {
    if (this.#message?.length === SPARE_SIZE && spare.length < SPARE_MAX) spare.push(this.#message);
    this.#message = undefined;
    this.#size = 0;
  }
}

/** Buffers that are used again, so that the collector is not what is measured. */
const spare: Buffer[] = [];
const SPARE_SIZE = 128 * 1024;
const SPARE_MAX = 64;
