/** Upper bounds of histograms: the Go picker's, number by number, so that its dashboards and rules keep working. */

const doubling = (first: number, last: number): number[] => {
  const bounds = [];
  for (let bound = first; bound <= last; bound *= 2) bounds.push(bound);
  return bounds;
};

/** Seconds until a first token may come. */
export const FIRST_TOKEN_SECONDS: readonly number[] = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60, 120,
];

/** Seconds that a whole request may take. */
export const REQUEST_SECONDS: readonly number[] = [
  ...FIRST_TOKEN_SECONDS,
  180,
  240,
  300,
  360,
  480,
  600,
  900,
  1200,
  1800,
  2700,
  3600,
];

/** Seconds per token after the first. */
export const TOKEN_SECONDS: readonly number[] = [
  0.0005, 0.00205, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 2,
];

/** Seconds between two pieces of a streamed response. */
export const CHUNK_GAP_SECONDS: readonly number[] = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2,
];

/** Seconds of a whole request per token of its completion. */
export const NORMALIZED_SECONDS: readonly number[] = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10,
];

/** Seconds of the picker's own work on one decision. */
export const SCHEDULER_SECONDS: readonly number[] = [
  0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
];

/** Seconds from a request's first to its last byte in the picker. */
export const REQUEST_PROCESSING_SECONDS: readonly number[] = [
  0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.025, 0.04, 0.06, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Seconds that the picker spends on a response. */
export const RESPONSE_PROCESSING_SECONDS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
];

/** Seconds that an ext_proc stream is open. */
export const STREAM_SECONDS: readonly number[] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600];

/** Tokens of a completion. */
export const COMPLETION_TOKENS: readonly number[] = [1, ...doubling(8, 8192)];

/** Bytes of a response. 32778 is no slip of this table: it is what the Go picker has. */
export const RESPONSE_BYTES: readonly number[] = [...COMPLETION_TOKENS, 16_384, 32_778, 65_536];

/** Tokens of a prompt. */
export const PROMPT_TOKENS: readonly number[] = [...RESPONSE_BYTES, ...doubling(131_072, 1_048_576)];

/** Bytes of a request: 64 to 2^30. */
export const REQUEST_BYTES: readonly number[] = doubling(64, 2 ** 30);

/** Share of a prompt that was found in the prefix index. */
export const HIT_RATIOS: readonly number[] = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

/** Bytes of a prompt that were found in the prefix index. */
export const HIT_BYTES: readonly number[] = [0, ...doubling(16, 65_536)];
