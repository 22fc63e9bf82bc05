/**
 * Cuts what a client sends into frames, wherever it is cut by the socket. The payload of DATA goes on in the pieces in
 * which it comes, without padding; every other frame goes on whole.
 */
import {
  ERROR_CODE,
  FLAG,
  FRAME,
  FRAME_HEAD_SIZE,
  FRAME_PAYLOAD_SIZE_MAX,
  readUint31,
} from "../../../wire/http2/frame.ts";
import { ConnectionError } from "./protocol-error.ts";

export interface DataHandler {
  /** A DATA frame begins; `size` counts its padding, too, as flow control does. */
  onDataBegin(streamId: number, size: number): void;
  /** Bytes `start` … `end` of its payload; valid during the call only. */
  onData(bytes: Buffer, start: number, end: number): void;
  onDataEnd(endsStream: boolean): void;
}

/** Another frame, whole: its payload is `start` … `end` of `bytes`, valid during the call only. */
export type OnFrame = (
  type: number,
  flags: number,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
) => void;

export class FrameReader {
  readonly #data: DataHandler;
  readonly #onFrame: OnFrame;
  readonly #head = Buffer.alloc(FRAME_HEAD_SIZE);
  /** Payload of a frame that the socket cut; made when that first happens. */
  #payload: Buffer | undefined;
  /** Bytes of the current frame's head that have come. */
  #headSize = 0;
  #size = 0;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  /** Payload bytes of the current frame that have come. */
  #read = 0;
  /** Bytes of padding at the end of the current DATA frame; −1 until known. */
  #padding = 0;

  constructor(data: DataHandler, onFrame: OnFrame) {
    this.#data = data;
    this.#onFrame = onFrame;
  }

  /**
   * Takes the bytes from `start` on: all of them, or the frames that end or begin in the next `sizeMax`. Returns where
   * it stopped. Throws a ConnectionError for a frame that is not allowed; the reader is of no use then.
   */
  push(bytes: Buffer, start: number, sizeMax: number = bytes.length): number {
    const stop = Math.min(bytes.length, start + sizeMax);
    let at = start;
    while (at < stop) {
      if (this.#headSize < FRAME_HEAD_SIZE) {
        at = this.#readHead(bytes, at);
        if (this.#headSize < FRAME_HEAD_SIZE) return at;
        if (this.#size > 0) continue;
      }
      at = this.#type === FRAME.data ? this.#readData(bytes, at) : this.#readPayload(bytes, at);
    }
    return at;
  }

  #readHead(bytes: Buffer, start: number): number {
    const end = Math.min(bytes.length, start + FRAME_HEAD_SIZE - this.#headSize);
    let head: Buffer = this.#head;
    let at = 0;
    if (end - start === FRAME_HEAD_SIZE) {
      head = bytes;
      at = start;
    } else bytes.copy(head, this.#headSize, start, end);
    this.#headSize += end - start;
    if (this.#headSize < FRAME_HEAD_SIZE) return end;
    this.#size = ((head[at] as number) << 16) | ((head[at + 1] as number) << 8) | (head[at + 2] as number);
    this.#type = head[at + 3] as number;
    this.#flags = head[at + 4] as number;
    this.#streamId = readUint31(head, at + 5);
    this.#read = 0;
    if (this.#size > FRAME_PAYLOAD_SIZE_MAX) {
      throw new ConnectionError(
        ERROR_CODE.frameSizeError,
        `a frame of ${this.#size} bytes, ${FRAME_PAYLOAD_SIZE_MAX} at most`,
      );
    }
    if (this.#type === FRAME.data) this.#beginData();
    return end;
  }

  #beginData(): void {
    const isPadded = (this.#flags & FLAG.padded) !== 0;
    this.#padding = isPadded ? UNKNOWN : 0;
    if (isPadded && this.#size === 0)
      throw new ConnectionError(ERROR_CODE.frameSizeError, "padded DATA without a length");
    this.#data.onDataBegin(this.#streamId, this.#size);
  }

  #readData(bytes: Buffer, start: number): number {
    let at = start;
    if (this.#padding === UNKNOWN) {
      this.#padding = bytes[at] as number;
      at++;
      this.#read++;
      if (this.#padding >= this.#size) {
        throw new ConnectionError(ERROR_CODE.protocolError, "DATA with more padding than payload");
      }
    }
    const end = Math.min(bytes.length, at + this.#size - this.#read);
    const dataEnd = Math.min(end, at + this.#size - this.#padding - this.#read);
    if (dataEnd > at) this.#data.onData(bytes, at, dataEnd);
    this.#read += end - at;
    if (this.#read === this.#size) {
      this.#headSize = 0;
      this.#data.onDataEnd((this.#flags & FLAG.endStream) !== 0);
    }
    return end;
  }

  #readPayload(bytes: Buffer, start: number): number {
    const end = Math.min(bytes.length, start + this.#size - this.#read);
    const isWhole = end - start === this.#size;
    if (!isWhole) {
      this.#payload ??= Buffer.allocUnsafeSlow(FRAME_PAYLOAD_SIZE_MAX);
      bytes.copy(this.#payload, this.#read, start, end);
      this.#read += end - start;
      if (this.#read < this.#size) return end;
    }
    this.#headSize = 0;
    const payload = isWhole ? bytes : (this.#payload as Buffer);
    const payloadStart = isWhole ? start : 0;
    this.#onFrame(this.#type, this.#flags, this.#streamId, payload, payloadStart, payloadStart + this.#size);
    return end;
  }
}

const UNKNOWN = -1;
