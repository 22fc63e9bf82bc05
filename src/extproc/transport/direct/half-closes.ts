/**
 * Streams that their client has ended. Envoy ends a stream right before it resets it, which is a cancellation and no
 * half-close; the network may cut between the two. So an end is believed when the event loop has been around once more
 * and no reset has come. What Envoy sends in one piece, as it nearly always does, costs no turn.
 */
import type { DirectStream } from "./stream.ts";

export class HalfCloses {
  #ended: DirectStream[] = [];
  #isDue = false;

  add(stream: DirectStream): void {
    this.#ended.push(stream);
  }

  /** To be called behind the bytes at hand: their resets are known. */
  review(): void {
    if (this.#ended.length === 0 || this.#isDue) return;
    this.#ended = this.#ended.filter(({ isOpen }) => isOpen);
    if (this.#ended.length > 0) this.#tellLater();
  }

  /** The first turn ends before sockets are read again, the second one behind that. */
  #tellLater(): void {
    this.#isDue = true;
    const due = this.#ended;
    this.#ended = [];
    setImmediate(() => setImmediate(() => this.#tell(due)));
  }

  #tell(due: readonly DirectStream[]): void {
    this.#isDue = false;
    for (const stream of due) stream.onHalfClose();
    this.review();
  }
}
