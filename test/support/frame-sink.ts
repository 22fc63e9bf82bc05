/** A socket that only takes what is written, and tells it as frames; and how full it is, as a test says. */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { FRAME_HEAD_SIZE, readUint31 } from "../../src/wire/http2/frame.ts";

export interface SunkFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export class FrameSink extends EventEmitter {
  writable = true;
  /** Bytes that the peer has not read. */
  writableLength = 0;
  /** Sizes of the writes. */
  readonly writes: number[] = [];
  readonly frames: SunkFrame[] = [];
  #unread: Buffer = Buffer.alloc(0);
  #onWritten: (() => void)[] = [];

  /** As what an Output writes to. */
  get socket(): Socket {
    return this as unknown as Socket;
  }

  write(bytes: Buffer, onWritten: () => void): boolean {
    this.writes.push(bytes.length);
    this.writableLength += bytes.length;
    this.#onWritten.push(onWritten);
    this.#unread = Buffer.concat([this.#unread, bytes]);
    while (this.#unread.length >= FRAME_HEAD_SIZE) {
      const end = FRAME_HEAD_SIZE + this.#unread.readUIntBE(0, 3);
      if (this.#unread.length < end) break;
      const [type, flags] = [this.#unread[3] as number, this.#unread[4] as number];
      const payload = this.#unread.subarray(FRAME_HEAD_SIZE, end);
      this.frames.push({ type, flags, streamId: readUint31(this.#unread, 5), payload });
      this.#unread = this.#unread.subarray(end);
    }
    return true;
  }

  /** The peer has read everything. */
  drain(): void {
    this.writableLength = 0;
    for (const onWritten of this.#onWritten.splice(0)) onWritten();
    this.emit("drain");
  }
}
