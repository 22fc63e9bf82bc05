/**
 * Scorers as kernels: each fills one column with a score in [0, 1] per candidate. Formulas are the field's (the Go
 * picker's); what differs is an unknown value: it scores the mean of the known ones, 1 if none is known, so that a
 * server that was never scraped does not look idle.
 */
import {
  CANDIDATE_SLOTS,
  DEPTHS,
  POLICY_BLOCK_SIZE,
  POLICY_TOKEN_SIZE,
  SCORER_KV_CACHE_UTILIZATION,
  SCORER_OP,
  SCORER_PARAMETER0,
  SCORER_PARAMETER1,
  SCORER_PREFIX_CACHE,
  SCORER_QUEUE_DEPTH,
  SNAPSHOT_KV_CACHE_USAGE,
  SNAPSHOT_QUEUE_DEPTH,
  SNAPSHOT_SURPLUS,
} from "./layout";

/** Fills the column at `scores` (f64 per candidate position) by the scorer program at `scorer`. */
export function score(
  shard: usize,
  policy: usize,
  scorer: usize,
  candidateCount: u32,
  blockCount: u32,
  scores: usize,
): void {
  const op = load<u32>(scorer + SCORER_OP);
  if (op == SCORER_QUEUE_DEPTH) scoreQueueDepth(shard, candidateCount, scores);
  else if (op == SCORER_KV_CACHE_UTILIZATION) scoreKvCacheUtilization(shard, candidateCount, scores);
  else if (op == SCORER_PREFIX_CACHE) scorePrefixCache(shard, policy, scorer, candidateCount, blockCount, scores);
  else assert(false);
}

/** (max − q) / (max − min) over the candidates with a known q; 1 for all when they are equal. */
function scoreQueueDepth(shard: usize, candidateCount: u32, scores: usize): void {
  let min: f64 = Infinity;
  let max: f64 = -Infinity;
  for (let position: u32 = 0; position < candidateCount; position++) {
    const depth = queueDepth(shard, slotAt(shard, position));
    store<f64>(scores + ((<usize>position) << 3), depth);
    if (depth < min) min = depth;
    if (depth > max) max = depth;
  }
  const range = max - min;
  for (let position: u32 = 0; position < candidateCount; position++) {
    const at = scores + ((<usize>position) << 3);
    const depth = load<f64>(at);
    if (depth != depth) continue;
    store<f64>(at, range > 0 ? (max - depth) / range : 1);
  }
  fillUnknown(candidateCount, scores);
}

/**
 * Waiting requests as the endpoint would report them now: the scraped depth, and every request in flight beyond those
 * that were in flight at the scrape. So a pick counts before the next scrape can see it, and herds do not form.
 */
function queueDepth(shard: usize, slot: u32): f64 {
  const column = shard + ((<usize>slot) << 2);
  const surplus = load<i32>(column + SNAPSHOT_SURPLUS);
  const scraped = <f64>load<f32>(column + SNAPSHOT_QUEUE_DEPTH);
  return surplus > 0 ? scraped + <f64>surplus : scraped;
}

/** 1 − k, not normalised over the candidates. */
function scoreKvCacheUtilization(shard: usize, candidateCount: u32, scores: usize): void {
  for (let position: u32 = 0; position < candidateCount; position++) {
    const slot = slotAt(shard, position);
    const usage = <f64>load<f32>(shard + ((<usize>slot) << 2) + SNAPSHOT_KV_CACHE_USAGE);
    store<f64>(scores + ((<usize>position) << 3), 1 - usage);
  }
  fillUnknown(candidateCount, scores);
}

/**
 * w × min(1, matched tokens / scale)² + (1 − w) × matched / total blocks, w = parameter 0, scale = parameter 1
 * (tokens). 0 for a request without blocks.
 */
function scorePrefixCache(
  shard: usize,
  policy: usize,
  scorer: usize,
  candidateCount: u32,
  blockCount: u32,
  scores: usize,
): void {
  if (blockCount == 0) {
    memory.fill(scores, 0, (<usize>candidateCount) << 3);
    return;
  }
  const lengthWeight = load<f64>(scorer + SCORER_PARAMETER0);
  const blockTokens = <f64>load<u32>(policy + POLICY_BLOCK_SIZE) / <f64>load<u32>(policy + POLICY_TOKEN_SIZE);
  for (let position: u32 = 0; position < candidateCount; position++) {
    const matched = <f64>load<u16>(shard + DEPTHS + ((<usize>slotAt(shard, position)) << 1));
    let value = matched / <f64>blockCount;
    if (lengthWeight > 0) {
      const length = min<f64>(1, (matched * blockTokens) / load<f64>(scorer + SCORER_PARAMETER1));
      value = lengthWeight * length * length + (1 - lengthWeight) * value;
    }
    store<f64>(scores + ((<usize>position) << 3), value);
  }
}

/** Replaces NaN by the mean of the other scores, or by 1 when all are NaN. */
function fillUnknown(candidateCount: u32, scores: usize): void {
  let sum: f64 = 0;
  let known: u32 = 0;
  for (let position: u32 = 0; position < candidateCount; position++) {
    const value = load<f64>(scores + ((<usize>position) << 3));
    if (value == value) {
      sum += value;
      known++;
    }
  }
  if (known == candidateCount) return;
  const mean: f64 = known > 0 ? sum / <f64>known : 1;
  for (let position: u32 = 0; position < candidateCount; position++) {
    const at = scores + ((<usize>position) << 3);
    const value = load<f64>(at);
    if (value != value) store<f64>(at, mean);
  }
}

function slotAt(shard: usize, position: u32): u32 {
  return load<u16>(shard + CANDIDATE_SLOTS + ((<usize>position) << 1));
}
