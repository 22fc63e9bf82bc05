/**
 * `decideBatch`: chains each request's block ids into keys, matches them against the prefix index, scores the
 * candidates, picks, charges and records, in arrival order. One snapshot serves the whole batch; each pick sees the
 * charges of those before it, and, through the overlay, their prefixes.
 *
 *   ids ─► keys ─► match (index + overlay) ─► score × n ─► total ─► pick ─► charge ─► ring to the index writer
 */
import { inFlightRequests, takeSnapshot } from "./endpoint-columns";
import {
  CANDIDATE_MASK,
  CANDIDATE_SLOTS,
  COLUMN_GENERATION,
  DEPTHS,
  ENDPOINTS_MAX,
  MASK_SIZE,
  MASK_WORDS,
  NO_WINDOW,
  PICK_BLOCK_COUNT,
  PICK_CANDIDATE_COUNT,
  PICK_FLAGS,
  PICK_GENERATION,
  PICK_HAS_MASK,
  PICK_MASK,
  PICK_MATCHED_BLOCKS,
  PICK_NAME_NUMBER,
  PICK_NO_ENDPOINTS,
  PICK_POLICY,
  PICK_RESULT,
  PICK_SCORES,
  PICK_SEED_HIGH,
  PICK_SEED_LOW,
  PICK_SLOT,
  PICK_STRIDE,
  PICK_TARGET_COUNT,
  PICK_TARGETS,
  PICK_TIE_COUNT,
  PICK_TOKENS,
  PICK_TOTAL,
  PICK_WINDOW,
  PICKED,
  POLICY_BLOCK_SIZE,
  POLICY_BLOCKS_MAX,
  POLICY_SCORER_COUNT,
  POLICY_SCORERS,
  POLICY_STALE_MS,
  POLICY_TARGETS_MAX,
  POLICY_TOKEN_SIZE,
  SCORER_STRIDE,
  SCORER_WEIGHT,
  SCORES,
  SCORES_STRIDE,
  SHARD_COUNTER_ALL_UNREACHABLE,
  SHARD_COUNTER_BATCHES,
  SHARD_COUNTER_MATCHED_BLOCKS,
  SHARD_COUNTER_NO_ENDPOINTS,
  SHARD_COUNTER_PICKS,
  SHARD_COUNTER_PROMPT_BLOCKS,
  SHARD_COUNTER_STREAMS_CLOSED,
  SHARD_COUNTER_STREAMS_OPENED,
  SHARD_COUNTERS,
  SHARD_IN_FLIGHT_REQUESTS,
  SHARD_IN_FLIGHT_TOKENS,
  SHARD_NAME_REQUESTS,
  SHARD_PICKS,
  SNAPSHOT_PRESENT,
  SNAPSHOT_REACHABLE,
  SNAPSHOT_SURPLUS,
  TOTALS,
  WINDOW_MODEL,
  WINDOW_MODEL_SIZE,
  WINDOW_PROMPT_SIZE,
  WORK,
} from "./layout";
import { addCounter, policyBase, shardBase, windowBase } from "./memory";
import { findName } from "./names";
import { pickMaxScore } from "./picker";
import { readBegin, readEnd } from "./prefix-index";
import { chainBlocks, matchPrompts, pushPrompts } from "./prompt-chain";
import { score } from "./scorers";
import { xxh64 } from "./xxh64";

/** Decides picks 0 … pickCount − 1 of the shard, in order. */
export function decideBatch(shardNumber: u32, pickCount: u32, nowMs: f64): void {
  const shard = shardBase(shardNumber);
  readBegin(shard);
  let snapshotPolicy: u32 = 0xffffffff;
  for (let i: u32 = 0; i < pickCount; i++) {
    const pick: usize = shard + SHARD_PICKS + <usize>i * PICK_STRIDE;
    const policyNumber = load<u32>(pick + PICK_POLICY);
    if (policyNumber != snapshotPolicy) {
      takeSnapshot(shard, nowMs, <f64>load<u32>(policyBase(policyNumber) + POLICY_STALE_MS));
      snapshotPolicy = policyNumber;
    }
    decide(shard, pick, policyBase(policyNumber));
  }
  readEnd(shard);
  addCounter(shard, SHARD_COUNTER_BATCHES, 1);
}

function decide(shard: usize, pick: usize, policy: usize): void {
  const candidateCount = listCandidates(shard, pick);
  store<u32>(pick + PICK_CANDIDATE_COUNT, candidateCount);
  const windowNumber = load<u32>(pick + PICK_WINDOW);
  let window: usize = 0;
  let blockCount: u32 = 0;
  let nameNumber: u32 = 0;
  if (windowNumber != NO_WINDOW) {
    window = windowBase(shard, windowNumber);
    nameNumber = findName(xxh64(window + WINDOW_MODEL, load<u32>(window + WINDOW_MODEL_SIZE)));
    blockCount = chainBlocks(shard, window, load<u32>(policy + POLICY_BLOCKS_MAX));
  }
  store<u32>(pick + PICK_NAME_NUMBER, nameNumber);
  store<u32>(pick + PICK_BLOCK_COUNT, blockCount);
  if (candidateCount == 0) {
    store<u32>(pick + PICK_RESULT, PICK_NO_ENDPOINTS);
    addCounter(shard, SHARD_COUNTER_NO_ENDPOINTS, 1);
    return;
  }
  if (blockCount > 0) matchPrompts(shard, window, blockCount, candidateCount);
  sumScores(shard, policy, candidateCount, blockCount);
  const seed = ((<u64>load<u32>(pick + PICK_SEED_HIGH)) << 32) | <u64>load<u32>(pick + PICK_SEED_LOW);
  const position = pickMaxScore(shard + TOTALS, candidateCount, seed, pick + PICK_TIE_COUNT);
  answer(shard, pick, policy, position, blockCount);
  listTargets(shard, pick, policy, position, seed);
}

/**
 * Lists the candidates' slots and returns their count: the reachable endpoints among those the request may use, or,
 * when none of them is reachable, all it may use, since a server that cannot be scraped may still serve.
 */
function listCandidates(shard: usize, pick: usize): u32 {
  const hasMask = (load<u32>(pick + PICK_FLAGS) & PICK_HAS_MASK) != 0;
  let anyAllowed: u64 = 0;
  let anyReachable: u64 = 0;
  for (let at: usize = 0; at < MASK_SIZE; at += 8) {
    let allowed = load<u64>(shard + at + SNAPSHOT_PRESENT);
    if (hasMask) allowed &= load<u64>(pick + at + PICK_MASK);
    store<u64>(shard + at + CANDIDATE_MASK, allowed);
    anyAllowed |= allowed;
    anyReachable |= allowed & load<u64>(shard + at + SNAPSHOT_REACHABLE);
  }
  if (anyAllowed != 0 && anyReachable == 0) addCounter(shard, SHARD_COUNTER_ALL_UNREACHABLE, 1);
  let count: u32 = 0;
  for (let word: u32 = 0; word < MASK_WORDS; word++) {
    const at = shard + ((<usize>word) << 3);
    let mask = load<u64>(at + CANDIDATE_MASK);
    if (anyReachable != 0) mask &= load<u64>(at + SNAPSHOT_REACHABLE);
    store<u64>(at + CANDIDATE_MASK, mask);
    while (mask != 0) {
      store<u16>(shard + CANDIDATE_SLOTS + ((<usize>count) << 1), <u16>((word << 6) + <u32>ctz(mask)));
      count++;
      mask &= mask - 1;
    }
  }
  return count;
}

/** total(endpoint) = Σ weight × clamp(score, 0, 1). */
function sumScores(shard: usize, policy: usize, candidateCount: u32, blockCount: u32): void {
  const totals: usize = shard + TOTALS;
  memory.fill(totals, 0, (<usize>candidateCount) << 3);
  const scorerCount = load<u32>(policy + POLICY_SCORER_COUNT);
  for (let i: u32 = 0; i < scorerCount; i++) {
    const scorer: usize = policy + POLICY_SCORERS + <usize>i * SCORER_STRIDE;
    const column: usize = shard + SCORES + <usize>i * SCORES_STRIDE;
    score(shard, policy, scorer, candidateCount, blockCount, column);
    const weight = load<f64>(scorer + SCORER_WEIGHT);
    for (let at: usize = 0; at < (<usize>candidateCount) << 3; at += 8) {
      const value = min<f64>(1, max<f64>(0, load<f64>(column + at)));
      store<f64>(totals + at, load<f64>(totals + at) + weight * value);
    }
  }
}

/** Writes the pick's answer, charges the endpoint and sends the prompt's keys to the index writer. */
function answer(shard: usize, pick: usize, policy: usize, position: u32, blockCount: u32): void {
  const slot = <u32>load<u16>(shard + CANDIDATE_SLOTS + ((<usize>position) << 1));
  const generation = load<u32>(<usize>COLUMN_GENERATION + ((<usize>slot) << 2));
  const matched: u32 = blockCount > 0 ? <u32>load<u16>(shard + DEPTHS + ((<usize>slot) << 1)) : 0;
  const tokens = uncachedTokens(shard, pick, policy, matched);
  store<u32>(pick + PICK_SLOT, slot);
  store<u32>(pick + PICK_GENERATION, generation);
  store<u32>(pick + PICK_MATCHED_BLOCKS, matched);
  store<u32>(pick + PICK_TOKENS, tokens);
  store<f64>(pick + PICK_TOTAL, load<f64>(shard + TOTALS + ((<usize>position) << 3)));
  const scorerCount = load<u32>(policy + POLICY_SCORER_COUNT);
  for (let i: u32 = 0; i < scorerCount; i++) {
    const column: usize = shard + SCORES + <usize>i * SCORES_STRIDE;
    store<f64>(pick + PICK_SCORES + ((<usize>i) << 3), load<f64>(column + ((<usize>position) << 3)));
  }
  store<u32>(pick + PICK_RESULT, PICKED);
  charge(shard, slot, tokens);
  if (blockCount > 0) {
    pushPrompts(shard, windowBase(shard, load<u32>(pick + PICK_WINDOW)), blockCount, slot, generation);
  }
  countPick(shard, pick, matched, blockCount);
}

/** Lists the picked endpoint and the next best ones, up to the policy's limit. The totals are as before afterwards. */
function listTargets(shard: usize, pick: usize, policy: usize, first: u32, seed: u64): void {
  const candidateCount = load<u32>(pick + PICK_CANDIDATE_COUNT);
  const count = min<u32>(candidateCount, max<u32>(1, load<u32>(policy + POLICY_TARGETS_MAX)));
  const taken: usize = shard + WORK + 8;
  let position = first;
  for (let i: u32 = 0; i < count; i++) {
    if (i > 0) position = pickMaxScore(shard + TOTALS, candidateCount, seed + <u64>i, shard + WORK);
    const total: usize = shard + TOTALS + ((<usize>position) << 3);
    store<u32>(taken + ((<usize>i) << 4), position);
    store<f64>(taken + ((<usize>i) << 4), load<f64>(total), 8);
    store<f64>(total, -Infinity);
    const slot = load<u16>(shard + CANDIDATE_SLOTS + ((<usize>position) << 1));
    store<u16>(pick + PICK_TARGETS + ((<usize>i) << 1), slot);
  }
  for (let i: u32 = 0; i < count; i++) {
    const at = taken + ((<usize>i) << 4);
    store<f64>(shard + TOTALS + ((<usize>load<u32>(at)) << 3), load<f64>(at, 8));
  }
  store<u32>(pick + PICK_TARGET_COUNT, count);
}

/** The prompt's tokens, less those of the matched blocks. */
function uncachedTokens(shard: usize, pick: usize, policy: usize, matched: u32): u32 {
  const windowNumber = load<u32>(pick + PICK_WINDOW);
  if (windowNumber == NO_WINDOW) return 0;
  const size = load<u32>(windowBase(shard, windowNumber) + WINDOW_PROMPT_SIZE);
  const held = matched * load<u32>(policy + POLICY_BLOCK_SIZE);
  const tokenSize = load<u32>(policy + POLICY_TOKEN_SIZE);
  return held >= size ? 0 : (size - held + tokenSize - 1) / tokenSize;
}

function charge(shard: usize, slot: u32, tokens: u32): void {
  const column: usize = (<usize>slot) << 2;
  const requests: usize = shard + SHARD_IN_FLIGHT_REQUESTS + column;
  atomic.store<u32>(requests, load<u32>(requests) + 1);
  const inFlightTokens: usize = shard + SHARD_IN_FLIGHT_TOKENS + column;
  atomic.store<u32>(inFlightTokens, load<u32>(inFlightTokens) + tokens);
  const surplus: usize = shard + SNAPSHOT_SURPLUS + column;
  store<i32>(surplus, load<i32>(surplus) + 1);
}

function countPick(shard: usize, pick: usize, matched: u32, blockCount: u32): void {
  addCounter(shard, SHARD_COUNTER_PICKS, 1);
  addCounter(shard, SHARD_COUNTER_PROMPT_BLOCKS, blockCount);
  addCounter(shard, SHARD_COUNTER_MATCHED_BLOCKS, matched);
  const requests: usize = shard + SHARD_NAME_REQUESTS + ((<usize>load<u32>(pick + PICK_NAME_NUMBER)) << 2);
  store<u32>(requests, load<u32>(requests) + 1);
}

/** Returns what one pick charged: one request and its tokens. */
export function releasePick(shardNumber: u32, slot: u32, tokens: u32): void {
  const shard = shardBase(shardNumber);
  const column: usize = (<usize>slot) << 2;
  const requests: usize = shard + SHARD_IN_FLIGHT_REQUESTS + column;
  // Not an assert: a charge that is returned twice must not pass in the release build either.
  if (load<u32>(requests) == 0) unreachable();
  atomic.store<u32>(requests, load<u32>(requests) - 1);
  const inFlightTokens: usize = shard + SHARD_IN_FLIGHT_TOKENS + column;
  if (load<u32>(inFlightTokens) < tokens) unreachable();
  atomic.store<u32>(inFlightTokens, load<u32>(inFlightTokens) - tokens);
}

/**
 * Returns all that a dead shard charged, closes its streams and its read of the index. For the control thread, after
 * the shard's thread has ended.
 */
export function resetShard(shardNumber: u32): void {
  const shard = shardBase(shardNumber);
  memory.fill(shard + SHARD_IN_FLIGHT_REQUESTS, 0, ENDPOINTS_MAX * 4);
  memory.fill(shard + SHARD_IN_FLIGHT_TOKENS, 0, ENDPOINTS_MAX * 4);
  const counters: usize = shard + SHARD_COUNTERS;
  store<u64>(
    counters + ((<usize>SHARD_COUNTER_STREAMS_CLOSED) << 3),
    load<u64>(counters + ((<usize>SHARD_COUNTER_STREAMS_OPENED) << 3)),
  );
  readEnd(shard);
}

export { inFlightRequests };
