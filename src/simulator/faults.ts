/**
 * Ways in which a model server fails, for tests of whoever calls it. One at a time per server; all but `refuse` concern
 * generation requests only, so that health and metrics go on saying that all is well.
 */
import type { Prng } from "../base/prng.ts";

export type Fault =
  | { readonly kind: "none" }
  /**
   * Every request ends its connection, whatever its path and the fraction. (A port where nobody listens:
   * `Simulator.kill`.)
   */
  | { readonly kind: "refuse" }
  /** The answer is an error with this HTTP status. */
  | { readonly kind: "status"; readonly status: number }
  /** The headers, and the request's way into the engine, are late. */
  | { readonly kind: "slow-headers"; readonly delayMs: number }
  /** The connection is reset after so many chunks. 0: instead of headers. A JSON answer has two chunks, its halves. */
  | { readonly kind: "reset"; readonly afterChunks: number }
  /** After so many chunks nothing comes any more, and the connection stays open. 0: not even headers. */
  | { readonly kind: "hang"; readonly afterChunks: number };

const NO_FAULT: Fault = { kind: "none" };

/** The fault that one request meets, when a fraction of the requests meets it. */
export function drawFault(fault: Fault, fraction: number, prng: Prng): Fault {
  return prng.nextFraction() < fraction ? fault : NO_FAULT;
}
