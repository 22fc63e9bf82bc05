/**
 * Tells the control thread when a shard's slabs do not suffice: at once, and again when they have sufficed for a while.
 * Meanwhile bodies are kept in buffers of their own (src/extproc/body-store.ts).
 */
import type { Clock, Timer } from "../base/clock.ts";
import type { FromShard } from "./messages.ts";

/** Without a lack of slabs for so long the state is over. */
export const SLABS_QUIET_MS = 60_000;

export class SlabReports {
  readonly #clock: Clock;
  readonly #send: (message: FromShard) => void;
  readonly #size: number;
  /** When a slab was last missing. */
  #lackedAtMs = 0;
  #quiet: Timer | undefined;

  /** `size`: bytes of all slabs. */
  constructor({ clock, send, size }: { clock: Clock; send: (message: FromShard) => void; size: number }) {
    this.#clock = clock;
    this.#send = send;
    this.#size = size;
  }

  onExhausted(): void {
    this.#lackedAtMs = this.#clock.nowMs();
    if (this.#quiet !== undefined) return;
    const detail = `more than ${this.#size} bytes wait on one shard; further ones are kept outside of its slabs`;
    this.#send({ kind: "degraded", code: "slabs-exhausted", detail, subject: "" });
    this.#wait(SLABS_QUIET_MS);
  }

  close(): void {
    this.#quiet?.cancel();
  }

  #wait(ms: number): void {
    this.#quiet = this.#clock.setTimeout(() => this.#check(), ms);
  }

  #check(): void {
    this.#quiet = undefined;
    const left = this.#lackedAtMs + SLABS_QUIET_MS - this.#clock.nowMs();
    if (left > 0) this.#wait(left);
    else this.#send({ kind: "recovered", code: "slabs-exhausted", subject: "" });
  }
}
