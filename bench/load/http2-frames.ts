/**
 * HTTP/2 frames (RFC 9113, 4.1) as a client of one kind of request needs them, read where they lie, cut anywhere. The
 * payload of DATA goes on in the pieces in which it came; of headers only their end matters here, so nothing decodes
 * them.
 */

import { FLAG, FRAME, FRAME_HEAD_SIZE, FRAME_PAYLOAD_SIZE_MAX, SETTING_SIZE } from "../../src/wire/http2/frame.ts";

/** Calls `visit` for each setting of a SETTINGS payload. */
export function forEachSetting(payload: Buffer, visit: (id: number, value: number) => void): void {
  for (let at = 0; at + SETTING_SIZE <= payload.length; at += SETTING_SIZE) {
    visit(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
  }
}

export interface FrameHandler {
  /** A piece of a DATA payload: `bytes` from `start` to `end`, valid during the call only. */
  onData(streamId: number, bytes: Buffer, start: number, end: number): void;
  /** The peer sends nothing more on this stream. */
  onStreamEnd(streamId: number): void;
  /** A frame other than DATA and headers, whole. The payload is valid during the call only. */
  onControl(type: number, flags: number, streamId: number, payload: Buffer): void;
}

/** Cuts what a peer sends into frames. Throws an Error for what this client never asked for. */
export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #head = Buffer.alloc(FRAME_HEAD_SIZE);
  readonly #control = Buffer.alloc(FRAME_PAYLOAD_SIZE_MAX);
  #headSize = 0;
  #size = 0;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  /** Payload bytes of the current frame that have come. */
  #read = 0;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** Takes the first `size` bytes, which may be overwritten afterwards. */
  push(bytes: Buffer, size: number): void {
    let at = 0;
    while (at < size) {
      if (this.#headSize < FRAME_HEAD_SIZE) {
        at = this.#readHead(bytes, at, size);
        // Cut, or the head of a frame without payload, which is over.
        if (this.#headSize < FRAME_HEAD_SIZE) continue;
      }
      const end = Math.min(size, at + this.#size - this.#read);
      this.#takePayload(bytes, at, end);
      this.#read += end - at;
      at = end;
      if (this.#read === this.#size) this.#endFrame();
    }
  }

  #readHead(bytes: Buffer, start: number, size: number): number {
    const end = Math.min(size, start + FRAME_HEAD_SIZE - this.#headSize);
    let head: Buffer = this.#head;
    let headAt = 0;
    if (this.#headSize === 0 && end - start === FRAME_HEAD_SIZE) {
      head = bytes;
      headAt = start;
    } else bytes.copy(head, this.#headSize, start, end);
    this.#headSize += end - start;
    if (this.#headSize < FRAME_HEAD_SIZE) return end;
    this.#size = ((head[headAt] as number) << 16) | ((head[headAt + 1] as number) << 8) | (head[headAt + 2] as number);
    this.#type = head[headAt + 3] as number;
    this.#flags = head[headAt + 4] as number;
    this.#streamId = head.readUInt32BE(headAt + 5) & 0x7fff_ffff;
    this.#read = 0;
    if (this.#size > FRAME_PAYLOAD_SIZE_MAX) throw new Error(`a frame of ${this.#size} bytes is larger than allowed`);
    if (this.#type === FRAME.data && (this.#flags & FLAG.padded) !== 0) throw new Error("padded DATA is not supported");
    if (this.#size === 0) this.#endFrame();
    return end;
  }

  #takePayload(bytes: Buffer, start: number, end: number): void {
    if (this.#type === FRAME.data) this.#handler.onData(this.#streamId, bytes, start, end);
    else if (this.#isControl()) bytes.copy(this.#control, this.#read, start, end);
  }

  #endFrame(): void {
    this.#headSize = 0;
    const isEnd = (this.#type === FRAME.data || this.#type === FRAME.headers) && (this.#flags & FLAG.endStream) !== 0;
    if (isEnd) this.#handler.onStreamEnd(this.#streamId);
    else if (this.#isControl()) {
      this.#handler.onControl(this.#type, this.#flags, this.#streamId, this.#control.subarray(0, this.#size));
    }
  }

  #isControl(): boolean {
    return this.#type !== FRAME.data && this.#type !== FRAME.headers && this.#type !== FRAME.continuation;
  }
}
