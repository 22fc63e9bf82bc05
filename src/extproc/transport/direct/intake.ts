/**
 * Takes in what comes from a socket: at once while this turn of the event loop has time for it, otherwise in later
 * turns, with the socket paused meanwhile. The first bytes must be a client's preface.
 */
import type { Socket } from "node:net";
import { CLIENT_PREFACE, ERROR_CODE } from "../../../wire/http2/frame.ts";
import type { Backlog, FairTurns } from "./fair-turns.ts";
import { foreignProtocol } from "./preface.ts";
import { ConnectionError } from "./protocol-error.ts";

export interface IntakeOptions {
  readonly socket: Socket;
  readonly turns: FairTurns;
  /** Takes what is behind the preface, from `start` on. May throw a ConnectionError. */
  readonly onBytes: (bytes: Buffer, start: number) => void;
  /** What came is not allowed; nothing more is taken in. */
  readonly onFault: (error: ConnectionError) => void;
}

export class Intake implements Backlog {
  readonly #options: IntakeOptions;
  /** Read from the socket, and not yet worked on. */
  readonly #backlog: Buffer[] = [];
  #prefaceSize = 0;
  #isClosed = false;

  constructor(options: IntakeOptions) {
    this.#options = options;
    options.socket.on("data", (bytes: Buffer) => this.#take(bytes));
  }

  /** Nothing has come. */
  get isEmpty(): boolean {
    return this.#prefaceSize === 0;
  }

  close(): void {
    this.#isClosed = true;
    this.#backlog.length = 0;
  }

  work(): boolean {
    const { socket, turns } = this.#options;
    while (this.#backlog.length > 0) {
      this.#read(this.#backlog.shift() as Buffer);
      if (!turns.hasTime) break;
    }
    if (this.#backlog.length > 0) return false;
    if (!this.#isClosed) socket.resume();
    return true;
  }

  #take(bytes: Buffer): void {
    if (this.#isClosed) return;
    const { socket, turns } = this.#options;
    const waits = this.#backlog.length > 0;
    if (!waits && turns.hasTime) return this.#read(bytes);
    if (!waits) turns.later(this);
    this.#backlog.push(bytes);
    socket.pause();
  }

  #read(bytes: Buffer): void {
    try {
      const start = this.#prefaceSize < CLIENT_PREFACE.length ? this.#readPreface(bytes) : 0;
      this.#options.onBytes(bytes, start);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.close();
      this.#options.onFault(error);
    }
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
