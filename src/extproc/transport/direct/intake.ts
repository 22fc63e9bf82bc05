/**
 * Takes in what comes from a socket: at once while this turn of the event loop has time for it, otherwise in later
 * turns, with the socket paused meanwhile. The first bytes must be a client's preface.
 */
import type { Socket } from "node:net";
import { CLIENT_PREFACE, ERROR_CODE } from "../../../wire/http2/frame.ts";
import type { Backlog, FairTurns } from "./fair-turns.ts";
import { foreignProtocol } from "./preface.ts";
import { ConnectionError } from "./protocol-error.ts";
import type { ReadBuffer } from "./socket-reads.ts";

export interface IntakeOptions {
  readonly socket: Socket;
  readonly readBuffer: ReadBuffer;
  readonly turns: FairTurns;
  /**
   * Takes of what is behind the preface some bytes from `start` on, so many that they are quickly done with. Returns
   * where it stopped. The bytes are valid during the call only. May throw a ConnectionError.
   */
  readonly onBytes: (bytes: Buffer, start: number) => number;
  /** What came is not allowed; nothing more is taken in. */
  readonly onFault: (error: ConnectionError) => void;
}

export class Intake implements Backlog {
  readonly #options: IntakeOptions;
  /** Read from the socket, and not yet done with. */
  readonly #backlog: Buffer[] = [];
  /** How much of the first of them is done with. */
  #done = 0;
  #prefaceSize = 0;
  #isClosed = false;

  constructor(options: IntakeOptions) {
    this.#options = options;
    options.readBuffer.read(options.socket, (bytes) => this.#take(bytes));
  }

  /** Nothing has come. */
  get isEmpty(): boolean {
    return this.#prefaceSize === 0;
  }

  close(): void {
    this.#isClosed = true;
    this.#backlog.length = 0;
    this.#done = 0;
  }

  work(): boolean {
    const { socket, turns } = this.#options;
    do this.#goOn();
    while (this.#backlog.length > 0 && turns.hasTime);
    if (this.#backlog.length > 0) return false;
    if (!this.#isClosed) socket.resume();
    return true;
  }

  /** Returns whether to read on. What there is no time for now waits as a copy. */
  #take(bytes: Buffer): boolean {
    if (this.#isClosed) return true;
    const { turns } = this.#options;
    const isFirst = this.#backlog.length === 0;
    this.#backlog.push(isFirst ? bytes : Buffer.from(bytes));
    // What waits is in the turns already: TLS gives what it has decrypted, whether it is read or not.
    if (!isFirst) return false;
    while (this.#backlog.length > 0 && turns.hasTime) this.#goOn();
    if (this.#backlog.length === 0) return true;
    this.#backlog[0] = Buffer.from(bytes.subarray(this.#done));
    this.#done = 0;
    turns.later(this);
    return false;
  }

  /** Takes the next bytes of the backlog. */
  #goOn(): void {
    const [bytes] = this.#backlog;
    if (bytes === undefined) return;
    try {
      const start = this.#prefaceSize < CLIENT_PREFACE.length ? this.#readPreface(bytes) : this.#done;
      this.#done = start < bytes.length ? this.#options.onBytes(bytes, start) : start;
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.close();
      return this.#options.onFault(error);
    }
    if (this.#done < bytes.length) return;
    this.#backlog.shift();
    this.#done = 0;
  }

  /** Where the first frame begins. */
  #readPreface(bytes: Buffer): number {
    const size = Math.min(bytes.length, CLIENT_PREFACE.length - this.#prefaceSize);
    if (bytes.compare(CLIENT_PREFACE, this.#prefaceSize, this.#prefaceSize + size, 0, size) !== 0) {
      throw new ConnectionError(ERROR_CODE.protocolError, foreignProtocol(bytes));
    }
    this.#prefaceSize += size;
    return size;
  }
}
