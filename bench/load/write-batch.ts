/**
 * What a connection sends in one turn of the event loop: frames are written one behind the other into a large buffer,
 * which goes to the socket when the turn is over or the buffer is full. Buffers are used again once they have left.
 */
import type { Socket } from "node:net";
import { FRAME, FRAME_HEAD_SIZE, writeFrameHead } from "../../src/wire/http2/frame.ts";
import type { ScriptMessage } from "./exchange-script.ts";
import { SERIAL_SIZE, writeSerialDigits } from "./prompts.ts";

/** Many times the largest frame. */
const BATCH_SIZE = 256 * 1024;

export class WriteBatch {
  readonly #socket: Socket;
  readonly #freeBuffers: Buffer[] = [];
  #out: Buffer = Buffer.allocUnsafeSlow(BATCH_SIZE);
  #size = 0;
  #isFlushQueued = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  raw(bytes: Buffer): void {
    const at = this.#claim(bytes.length);
    bytes.copy(this.#out, at);
  }

  frame(type: number, flags: number, streamId: number, payload: Buffer): void {
    const at = this.#claim(FRAME_HEAD_SIZE + payload.length);
    writeFrameHead(this.#out, at, payload.length, type, flags, streamId);
    payload.copy(this.#out, at + FRAME_HEAD_SIZE);
  }

  /** A DATA frame with `size` bytes of a message from `start` on; the serial number is put where it belongs. */
  data(
    streamId: number,
    { bytes, serialAt }: ScriptMessage,
    { start, size, serial }: { readonly start: number; readonly size: number; readonly serial: number },
  ): void {
    const at = this.#claim(FRAME_HEAD_SIZE + size);
    writeFrameHead(this.#out, at, size, FRAME.data, 0, streamId);
    const end = start + size;
    const payloadAt = at + FRAME_HEAD_SIZE;
    bytes.copy(this.#out, payloadAt, start, end);
    if (serialAt === undefined || serialAt >= end || serialAt + SERIAL_SIZE <= start) return;
    const from = Math.max(0, start - serialAt);
    const to = Math.min(SERIAL_SIZE, end - serialAt);
    writeSerialDigits(this.#out, payloadAt + serialAt + from - start, serial, from, to);
  }

  /** Room for so many bytes; where they begin. */
  #claim(size: number): number {
    if (this.#size + size > BATCH_SIZE) this.#flush();
    if (!this.#isFlushQueued) queueMicrotask(() => this.#endTurn());
    this.#isFlushQueued = true;
    const at = this.#size;
    this.#size += size;
    return at;
  }

  #endTurn(): void {
    this.#isFlushQueued = false;
    this.#flush();
  }

  #flush(): void {
    const size = this.#size;
    this.#size = 0;
    // What a peer that has gone would have got is lost; its streams hear of it when the socket closes.
    if (size === 0 || !this.#socket.writable) return;
    const out = this.#out;
    this.#socket.write(out.subarray(0, size), () => this.#freeBuffers.push(out));
    this.#out = this.#freeBuffers.pop() ?? Buffer.allocUnsafeSlow(BATCH_SIZE);
  }
}
