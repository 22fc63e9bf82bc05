/**
 * The plaintext side of a TLS connection, for Node's HTTP/2.
 *
 * HTTP/2 could take the TLS socket itself and would write to it below JavaScript, where a socket takes one write at a
 * time: a second one, as when a connection's end is announced (connection-end.ts), aborts the whole process (a CHECK in
 * Node's TLSWrap::DoWrite). Through this stream everybody's writes go one after the other. It costs some 60 µs of CPU
 * per ext_proc stream; the direct transport does without it.
 */
import { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";

/** A connection's plaintext. */
export type PlainConnection = Duplex & {
  /** 0 as long as the client has said nothing. */
  readonly bytesRead: number;
};

export class PlainSide extends Duplex {
  readonly #socket: TLSSocket;
  #bytesRead = 0;

  constructor(socket: TLSSocket) {
    super();
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.#bytesRead += bytes.length;
      if (!this.push(bytes)) socket.pause();
    });
    socket.on("end", () => this.push(null));
    // A broken connection is told to HTTP/2 as an end: what was lost is told by its streams.
    socket.on("error", () => this.destroy());
    socket.on("close", () => this.destroy());
  }

  /** Bytes that the client has sent, without those of TLS. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(bytes, done);
  }

  /** HTTP/2 gives a frame's head and its body apart: one write of both costs less than two, and their copy. */
  override _writev(pieces: { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#socket.write(Buffer.concat(pieces.map(({ chunk }) => chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}
