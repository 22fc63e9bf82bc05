/**
 * What leaves on a connection: frames are copied one behind the other into buffers that are used again, and go to the
 * socket when a buffer is full or at the end of the current task of the event loop.
 *
 *   frame ─► buffer ─full, or flush─► socket ─written─► pool
 */
import type { Socket } from "node:net";

/** Of one buffer. Holds several frames of the largest size, and stays in a core's cache. */
export const OUT_BUFFER_SIZE: number = 64 * 1024;
/** Bytes in the socket beyond which DATA waits in its streams. */
export const CONGESTED_SIZE: number = 1024 * 1024;
/** Bytes in the socket beyond which its peer is given up: DATA stops before, so these are answers to control frames. */
export const OUT_SIZE_MAX: number = 16 * 1024 * 1024;
/** Buffers that wait for use; more are left to the garbage collector. 4 MiB. */
const FREE_BUFFERS_MAX = 64;

class OutBuffer {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(OUT_BUFFER_SIZE);
  /** Made once, not per write. */
  readonly onWritten: () => void;

  constructor(pool: OutBufferPool) {
    this.onWritten = () => pool.give(this);
  }
}

/** Of all connections of a shard. */
export class OutBufferPool {
  readonly #free: OutBuffer[] = [];

  take(): OutBuffer {
    return this.#free.pop() ?? new OutBuffer(this);
  }

  give(buffer: OutBuffer): void {
    if (this.#free.length < FREE_BUFFERS_MAX) this.#free.push(buffer);
  }
}

export class Output {
  readonly #socket: Socket;
  readonly #pool: OutBufferPool;
  #buffer: OutBuffer | undefined;
  #size = 0;
  #isFlushDue = false;
  /** Made once, not per turn. */
  readonly #onDue = (): void => this.flush();

  constructor(socket: Socket, pool: OutBufferPool) {
    this.#socket = socket;
    this.#pool = pool;
  }

  /** The peer does not read as fast as is written. When that is over, the socket says "drain". */
  get isCongested(): boolean {
    return this.#socket.writableLength >= CONGESTED_SIZE;
  }

  /** The peer does not read at all. */
  get isOverfull(): boolean {
    return this.#socket.writableLength >= OUT_SIZE_MAX;
  }

  /** Where the next `reserve`d bytes are. */
  get bytes(): Buffer {
    return (this.#buffer as OutBuffer).bytes;
  }

  /** Makes room for up to OUT_BUFFER_SIZE bytes, which the caller writes into `bytes` from the offset returned. */
  reserve(size: number): number {
    if (this.#buffer !== undefined && this.#size + size > OUT_BUFFER_SIZE) this.#push();
    this.#buffer ??= this.#pool.take();
    if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      process.nextTick(this.#onDue);
    }
    const at = this.#size;
    this.#size += size;
    return at;
  }

  /** Adds frames that were made before. */
  write(frames: Buffer): void {
    const at = this.reserve(frames.length);
    this.bytes.set(frames, at);
  }

  /** Gives the socket what there is. */
  flush(): void {
    this.#isFlushDue = false;
    if (this.#size > 0) this.#push();
  }

  #push(): void {
    const buffer = this.#buffer as OutBuffer;
    const size = this.#size;
    this.#buffer = undefined;
    this.#size = 0;
    if (!this.#socket.writable) return this.#pool.give(buffer);
    this.#socket.write(size === OUT_BUFFER_SIZE ? buffer.bytes : buffer.bytes.subarray(0, size), buffer.onWritten);
  }
}
