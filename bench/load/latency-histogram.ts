/**
 * Latencies in buckets that are a 64th of their value wide: a constant amount of memory for any number of samples, an
 * error below 1.6 %, and histograms of several threads add up.
 *
 *   values 0 … 127 in 0.1 µs: one bucket each; from there on 64 buckets per power of two
 */

/** 0.1 µs. */
const UNITS_PER_MS = 10_000;
const VALUE_MAX = 2 ** 31 - 1;
const MANTISSA_BITS = 6;
const BUCKETS_PER_POWER: number = 1 << MANTISSA_BITS;
const BUCKET_COUNT: number = bucketOf(VALUE_MAX) + 1;

/** What passes between threads. */
export interface HistogramState {
  readonly counts: Uint32Array;
  readonly maxMs: number;
}

export interface LatencySummary {
  readonly samples: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export class LatencyHistogram {
  readonly #counts = new Uint32Array(BUCKET_COUNT);
  #sampleCount = 0;
  #maxMs = 0;

  /** A negative value counts as 0, one beyond 214 s as 214 s. */
  add(ms: number): void {
    const value = Math.min(VALUE_MAX, Math.max(0, Math.round(ms * UNITS_PER_MS)));
    const bucket = bucketOf(value);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sampleCount++;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  get sampleCount(): number {
    return this.#sampleCount;
  }

  /** The middle of the bucket in which the sample of that rank lies; 0 when there is none. */
  quantileMs(fraction: number): number {
    const rank = Math.min(this.#sampleCount - 1, Math.floor(this.#sampleCount * fraction));
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (seen > rank && count > 0) return Math.min(this.#maxMs, middleOf(bucket) / UNITS_PER_MS);
    }
    return 0;
  }

  summary(): LatencySummary {
    return {
      samples: this.#sampleCount,
      p50Ms: this.quantileMs(0.5),
      p90Ms: this.quantileMs(0.9),
      p99Ms: this.quantileMs(0.99),
      p999Ms: this.quantileMs(0.999),
      maxMs: this.#maxMs,
    };
  }

  state(): HistogramState {
    return { counts: this.#counts.slice(), maxMs: this.#maxMs };
  }

  merge({ counts, maxMs }: HistogramState): void {
    for (const [bucket, count] of counts.entries()) {
      this.#counts[bucket] = (this.#counts[bucket] as number) + count;
      this.#sampleCount += count;
    }
    if (maxMs > this.#maxMs) this.#maxMs = maxMs;
  }
}

function bucketOf(value: number): number {
  if (value < 2 * BUCKETS_PER_POWER) return value;
  const shift = 31 - Math.clz32(value) - MANTISSA_BITS;
  return shift * BUCKETS_PER_POWER + (value >>> shift);
}

function middleOf(bucket: number): number {
  if (bucket < 2 * BUCKETS_PER_POWER) return bucket;
  const shift = Math.floor(bucket / BUCKETS_PER_POWER) - 1;
  return ((bucket % BUCKETS_PER_POWER) + BUCKETS_PER_POWER + 0.5) * 2 ** shift;
}
