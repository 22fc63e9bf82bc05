/** Counts of observations by upper bound, as a Prometheus histogram shows them. */

export class Histogram {
  /** Ascending; the last bucket, +Inf, has none. */
  readonly upperBounds: readonly number[];
  /** Observations per bucket, not cumulative; one more than bounds. */
  readonly #counts: number[];
  #sum = 0;

  constructor(upperBounds: readonly number[]) {
    this.upperBounds = upperBounds;
    this.#counts = new Array<number>(upperBounds.length + 1).fill(0);
  }

  get sum(): number {
    return this.#sum;
  }

  /** Observations up to each bound, then all of them. */
  get cumulativeCounts(): number[] {
    let total = 0;
    return this.#counts.map((count) => (total += count));
  }

  observe(value: number): void {
    const bucket = this.upperBounds.findIndex((upperBound) => value <= upperBound);
    this.#counts[bucket === -1 ? this.upperBounds.length : bucket]! += 1;
    this.#sum += value;
  }
}
