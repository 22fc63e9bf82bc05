/**
 * So many exchanges that are begun by hand, over connections of their own: for benches that need all of them in flight
 * at once. A picker that takes no more streams on a connection is given another one, as Envoy does.
 */
import type { Clock } from "../../src/base/clock.ts";
import type { Target } from "./connection.ts";
import { Exchange, type ExchangeOptions, type ExchangeOwner } from "./exchange.ts";
import type { ExchangeScript } from "./exchange-script.ts";
import { type HeaderBlocks, headerBlocks } from "./header-block.ts";
import { Lane } from "./lane.ts";

export interface ExchangeSetOptions {
  readonly clock: Clock;
  readonly target: Target;
  /** At first. */
  readonly connectionCount: number;
}

const POLL_MS = 5;
/** What is waited for and takes longer has failed. */
const WAIT_MS_MAX = 120_000;

export class ExchangeSet implements ExchangeOwner {
  readonly #options: ExchangeSetOptions;
  readonly #blocks: HeaderBlocks;
  readonly #exchanges: Exchange[] = [];
  readonly #lanes: Lane[] = [];
  #overCount = 0;
  #failure: string | undefined;

  constructor(options: ExchangeSetOptions) {
    this.#options = options;
    this.#blocks = headerBlocks({ authority: "localhost", isTls: options.target.isTls });
  }

  async connect(): Promise<void> {
    for (let index = 0; index < this.#options.connectionCount; index++) await this.#connectOnce();
  }

  /** Begins an exchange, on the connections in turn. Held: the last piece of its request waits for `release`. */
  async begin(script: ExchangeScript, serial: number, isHeld: boolean): Promise<void> {
    const lanes = this.#lanes.filter(({ connection }) => connection?.hasRoom === true);
    const lane = lanes[this.#exchanges.length % Math.max(1, lanes.length)] ?? (await this.#connectOnce());
    const { connection } = lane;
    if (connection === undefined) throw new Error("a new connection takes no streams");
    const exchange = new Exchange({ ...EXCHANGE, clock: this.#options.clock }, this);
    this.#exchanges.push(exchange);
    const nowMs = this.#options.clock.nowMs();
    exchange.begin(connection, script, { intendedMs: nowMs, nowMs, serial, isHeld });
  }

  release(): void {
    for (const exchange of this.#exchanges) exchange.release();
  }

  async untilSent(): Promise<void> {
    await this.#until("every stream is sent", () => this.#exchanges.every(({ isSent }) => isSent));
  }

  /** Resolves when every exchange has gone well; rejects when one has not. */
  async untilOver(): Promise<void> {
    await this.#until("every exchange is over", () => this.#overCount === this.#exchanges.length);
  }

  close(): void {
    for (const lane of this.#lanes) lane.end();
  }

  onPicked(): void {
    // The response follows by itself.
  }

  onChunk(): void {
    // Nothing is counted here.
  }

  onOver(_exchange: Exchange, error: string | undefined): void {
    this.#overCount++;
    this.#failure ??= error;
  }

  onNotTaken(): void {
    this.#failure ??= "the picker did not take a stream";
  }

  async #connectOnce(): Promise<Lane> {
    const { clock, target } = this.#options;
    const lane = new Lane(target, this.#blocks, {
      clock,
      onReady: () => undefined,
      onConnected: () => undefined,
      onFailed: (error) => {
        this.#failure ??= error.message;
      },
    });
    await lane.connect();
    this.#lanes.push(lane);
    return lane;
  }

  async #until(what: string, isSo: () => boolean): Promise<void> {
    const { clock } = this.#options;
    const endMs = clock.nowMs() + WAIT_MS_MAX;
    while (!isSo() && this.#failure === undefined) {
      if (clock.nowMs() > endMs) throw new Error(`not within ${WAIT_MS_MAX / 1000} s: ${what}`);
      await new Promise<void>((resolve) => void clock.setTimeout(resolve, POLL_MS));
    }
    if (this.#failure !== undefined) throw new Error(`until ${what}: ${this.#failure}`);
  }
}

const EXCHANGE: Omit<ExchangeOptions, "clock"> = {
  ending: "reset",
  chunksInFlight: 1,
  isAtOnce: false,
  mayEndAfterPick: false,
};
