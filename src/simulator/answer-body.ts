/**
 * The way of an answer onto the wire, chunk by chunk, which is where it can break: a fault may cut it short after a
 * given number of chunks. Whoever writes does not notice.
 */
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Fault } from "./faults.ts";

export class AnswerBody {
  readonly #response: ServerResponse;
  readonly #fault: Fault;
  /** Chunks that still go out. */
  #chunksLeft: number;

  constructor(response: ServerResponse, fault: Fault) {
    this.#response = response;
    this.#fault = fault;
    const isCut = fault.kind === "reset" || fault.kind === "hang";
    this.#chunksLeft = isCut ? fault.afterChunks : Number.POSITIVE_INFINITY;
  }

  /** Sends the headers at once. */
  open(headers: OutgoingHttpHeaders): void {
    if (this.#chunksLeft === 0) return this.#break();
    this.#response.writeHead(200, headers);
    this.#response.flushHeaders();
  }

  write(chunk: string | Uint8Array): void {
    if (this.#chunksLeft === 0) return;
    this.#chunksLeft--;
    if (this.#chunksLeft > 0) this.#response.write(chunk);
    else this.#response.write(chunk, () => this.#break());
  }

  end(): void {
    if (this.#chunksLeft > 0) this.#response.end();
  }

  #break(): void {
    if (this.#fault.kind === "reset") this.#response.socket?.resetAndDestroy();
  }
}
