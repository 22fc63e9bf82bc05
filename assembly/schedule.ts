/**
 * `decideBatch`: chains each request's block ids into keys, matches them against the prefix index, filters and scores
 * the candidates, picks, charges and records, in arrival order. One snapshot serves the whole batch; each pick sees the
 * charges of those before it, and, through the overlay, their prefixes. `stages.ts` runs the same steps one by one.
 *
 *   ids ─► keys ─► match (index + overlay) ─► filter × n ─► score × n ─► total ─► pick ─► charge ─► ring to index
 * writer
 */
import { listCandidates, slotAt } from "./candidates";
import { charge, outputTokens, uncachedTokens } from "./charges";
import { isCold, noteColdPick } from "./cold-picks";
import { inFlightRequests, takeSnapshot } from "./endpoint-columns";
import { runFilter } from "./filters";
import {
  CHOSEN,
  COLD_ORDER_COUNT,
  COLUMN_GENERATION,
  DEPTHS,
  ENDPOINTS_MAX,
  PICK_BLOCK_COUNT,
  PICK_CANDIDATE_COUNT,
  PICK_COUNTS,
  PICK_EMPTIED_BY,
  PICK_FILTERED_OUT,
  PICK_FLAGS,
  PICK_GENERATION,
  PICK_LOOKS,
  PICK_MATCHED_BLOCKS,
  PICK_MODEL_HASH,
  PICK_NAME_NUMBER,
  PICK_NO_ENDPOINTS,
  PICK_POLICY,
  PICK_POOL_COUNT,
  PICK_PROMPT_TOKENS,
  PICK_RECORDS,
  PICK_RESULT,
  PICK_SCORES,
  PICK_SLOT,
  PICK_STRIDE,
  PICK_TARGET_COUNT,
  PICK_TARGETS,
  PICK_TOKENS,
  PICK_TOTAL,
  PICKED,
  POLICIES_MAX,
  POLICY_BLOCKS_MAX,
  POLICY_FLAGS,
  POLICY_NOTES_COLD_PICKS,
  POLICY_STALE_MS,
  PROFILE_FILTER_COUNT,
  PROFILE_FILTERS,
  PROFILE_PICKER,
  PROFILE_SCORER_COUNT,
  PROFILE_SCORERS,
  PROFILE_TARGETS_MAX,
  PROGRAM_STRIDE,
  PROGRAM_WEIGHT,
  SCORES,
  SCORES_STRIDE,
  SHARD_COUNTER_BATCHES,
  SHARD_COUNTER_FILTERED_OUT,
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
  SHARD_POLICY_HOLDS,
  SHARD_RING_HEAD,
  TOTALS,
  WINDOW_MODEL,
  WINDOW_MODEL_SIZE,
} from "./layout";
import { addCounter, policyBase, shardBase } from "./memory";
import { findName } from "./names";
import { choose } from "./picker";
import { readBegin, readEnd, ringDoorbell } from "./prefix-index";
import { policyOf, profileOf, windowOf } from "./programs";
import { chainBlocks, matchPrompts, pushPrompts } from "./prompt-chain";
import { addWeighted, fillColumn } from "./score-columns";
import { runScorer } from "./scorers";
import { bindSessions } from "./sessions";
import { xxh64 } from "./xxh64";

/** Decides picks 0 … pickCount − 1 of the shard, in order. */
export function decideBatch(shardNumber: u32, pickCount: u32, nowMs: f64): void {
  const shard = shardBase(shardNumber);
  const ringHead = load<u32>(shard + SHARD_RING_HEAD);
  readBegin(shard);
  let snapshotPolicy: u32 = 0xffffffff;
  for (let i: u32 = 0; i < pickCount; i++) {
    const pick: usize = shard + SHARD_PICKS + <usize>i * PICK_STRIDE;
    const policyNumber = load<u32>(pick + PICK_POLICY);
    if (policyNumber != snapshotPolicy) {
      takeSnapshot(shard, nowMs, <f64>load<u32>(policyBase(policyNumber) + POLICY_STALE_MS));
      snapshotPolicy = policyNumber;
    }
    decide(shard, pick, nowMs);
  }
  readEnd(shard);
  if (load<u32>(shard + SHARD_RING_HEAD) != ringHead) ringDoorbell();
  addCounter(shard, SHARD_COUNTER_BATCHES, 1);
}

function decide(shard: usize, pick: usize, nowMs: f64): void {
  const profile = profileOf(pick);
  if (prepare(shard, pick) == 0) return;
  const filterCount = load<u32>(profile + PROFILE_FILTER_COUNT);
  for (let number: u32 = 0; number < filterCount; number++) {
    if (applyFilter(shard, pick, profile, number, nowMs) == 0) return;
  }
  const scorerCount = load<u32>(profile + PROFILE_SCORER_COUNT);
  for (let number: u32 = 0; number < scorerCount; number++) applyScorer(shard, pick, profile, number, nowMs);
  sumScores(shard, pick, profile);
  const count = load<u32>(pick + PICK_CANDIDATE_COUNT);
  const targetsMax = load<u32>(profile + PROFILE_TARGETS_MAX);
  answer(shard, pick, profile, choose(shard, pick, load<u32>(profile + PROFILE_PICKER), targetsMax, count), nowMs);
}

/** Lists the candidates, chains the prompt and matches it. Returns how many candidates there are. */
export function prepare(shard: usize, pick: usize): u32 {
  const count = listCandidates(shard, pick);
  const window = windowOf(shard, pick);
  let blockCount: u32 = 0;
  let modelHash: u64 = 0;
  let nameNumber: u32 = 0;
  if (window != 0) {
    const modelSize = load<u32>(window + WINDOW_MODEL_SIZE);
    const hash = xxh64(window + WINDOW_MODEL, modelSize);
    if (modelSize > 0) modelHash = hash;
    nameNumber = findName(hash);
    blockCount = chainBlocks(shard, window, load<u32>(policyOf(pick) + POLICY_BLOCKS_MAX));
  }
  store<u64>(pick + PICK_MODEL_HASH, modelHash);
  store<u32>(pick + PICK_NAME_NUMBER, nameNumber);
  store<u32>(pick + PICK_BLOCK_COUNT, blockCount);
  store<u32>(pick + PICK_POOL_COUNT, count);
  store<u32>(pick + PICK_CANDIDATE_COUNT, count);
  if (count == 0) {
    store<u32>(pick + PICK_RESULT, PICK_NO_ENDPOINTS);
    if ((load<u32>(pick + PICK_FLAGS) & PICK_LOOKS) == 0) addCounter(shard, SHARD_COUNTER_NO_ENDPOINTS, 1);
  } else if (blockCount > 0) {
    matchPrompts(shard, window, blockCount, count);
  }
  return count;
}

/** Runs one filter of the profile and returns how many candidates are left. None ends the pick. */
export function applyFilter(shard: usize, pick: usize, profile: usize, number: u32, nowMs: f64): u32 {
  const filter: usize = profile + PROFILE_FILTERS + <usize>number * PROGRAM_STRIDE;
  const kept = runFilter(shard, pick, filter, number, load<u32>(pick + PICK_CANDIDATE_COUNT), nowMs);
  store<u32>(pick + PICK_CANDIDATE_COUNT, kept);
  if (kept > 0) return kept;
  store<u32>(pick + PICK_RESULT, PICK_FILTERED_OUT);
  store<u32>(pick + PICK_EMPTIED_BY, number);
  addCounter(shard, SHARD_COUNTER_FILTERED_OUT, 1);
  return 0;
}

/** Fills the column of one scorer of the profile. */
export function applyScorer(shard: usize, pick: usize, profile: usize, number: u32, nowMs: f64): void {
  const scorer: usize = profile + PROFILE_SCORERS + <usize>number * PROGRAM_STRIDE;
  runScorer(shard, pick, scorer, load<u32>(pick + PICK_CANDIDATE_COUNT), nowMs, scoreColumn(shard, number));
}

/** total(endpoint) = Σ weight × clamp(score, 0, 1). */
export function sumScores(shard: usize, pick: usize, profile: usize): void {
  const count = load<u32>(pick + PICK_CANDIDATE_COUNT);
  fillColumn(shard + TOTALS, count, 0);
  const scorerCount = load<u32>(profile + PROFILE_SCORER_COUNT);
  for (let number: u32 = 0; number < scorerCount; number++) {
    const scorer: usize = profile + PROFILE_SCORERS + <usize>number * PROGRAM_STRIDE;
    addWeighted(shard + TOTALS, scoreColumn(shard, number), count, load<f64>(scorer + PROGRAM_WEIGHT));
  }
}

/**
 * Writes the pick's answer, charges the endpoint and sends the prompt's keys to the index writer. The `chosen` ≥ 1
 * targets stand at CHOSEN.
 */
export function answer(shard: usize, pick: usize, profile: usize, chosen: u32, nowMs: f64): void {
  const position = <u32>load<u16>(shard + CHOSEN);
  const slot = slotAt(shard, position);
  const generation = load<u32>(<usize>COLUMN_GENERATION + ((<usize>slot) << 2));
  const blockCount = load<u32>(pick + PICK_BLOCK_COUNT);
  const matched: u32 = blockCount > 0 ? <u32>load<u16>(shard + DEPTHS + ((<usize>slot) << 1)) : 0;
  store<u32>(pick + PICK_SLOT, slot);
  store<u32>(pick + PICK_GENERATION, generation);
  store<u32>(pick + PICK_MATCHED_BLOCKS, matched);
  writeScores(shard, pick, profile, position);
  writeTargets(shard, pick, chosen);
  store<u32>(pick + PICK_RESULT, PICKED);
  chargePick(shard, pick, slot, matched);
  record(shard, pick, slot, generation, blockCount);
  bindSessions(shard, pick, nowMs);
  countPick(shard, pick, matched, blockCount);
}

function writeScores(shard: usize, pick: usize, profile: usize, position: u32): void {
  const at = (<usize>position) << 3;
  store<f64>(pick + PICK_TOTAL, load<f64>(shard + TOTALS + at));
  const scorerCount = load<u32>(profile + PROFILE_SCORER_COUNT);
  for (let number: u32 = 0; number < scorerCount; number++) {
    store<f64>(pick + PICK_SCORES + ((<usize>number) << 3), load<f64>(scoreColumn(shard, number) + at));
  }
}

function writeTargets(shard: usize, pick: usize, chosen: u32): void {
  for (let at: usize = 0; at < (<usize>chosen) << 1; at += 2) {
    store<u16>(pick + PICK_TARGETS + at, <u16>slotAt(shard, <u32>load<u16>(shard + CHOSEN + at)));
  }
  store<u32>(pick + PICK_TARGET_COUNT, chosen);
}

function chargePick(shard: usize, pick: usize, slot: u32, matched: u32): void {
  const policy = policyOf(pick);
  const window = windowOf(shard, pick);
  const ofPrompt = uncachedTokens(window, policy, matched);
  const tokens = <u32>min<u64>(<u64>ofPrompt + <u64>outputTokens(window, policy), 0xffffffff);
  store<u32>(pick + PICK_PROMPT_TOKENS, ofPrompt);
  store<u32>(pick + PICK_TOKENS, tokens);
  charge(shard, slot, tokens);
}

/** Lets all shards know what the endpoint holds from now on, where the pick is to be remembered. */
function record(shard: usize, pick: usize, slot: u32, generation: u32, blockCount: u32): void {
  if ((load<u32>(pick + PICK_FLAGS) & PICK_RECORDS) == 0) return;
  const notesColdPicks = (load<u32>(policyOf(pick) + POLICY_FLAGS) & POLICY_NOTES_COLD_PICKS) != 0;
  if (notesColdPicks && isCold(shard, pick, load<u32>(pick + PICK_CANDIDATE_COUNT))) noteColdPick(slot);
  if (blockCount > 0) pushPrompts(shard, windowOf(shard, pick), blockCount, slot, generation);
}

function countPick(shard: usize, pick: usize, matched: u32, blockCount: u32): void {
  if ((load<u32>(pick + PICK_FLAGS) & PICK_COUNTS) == 0) return;
  addCounter(shard, SHARD_COUNTER_PICKS, 1);
  addCounter(shard, SHARD_COUNTER_PROMPT_BLOCKS, blockCount);
  addCounter(shard, SHARD_COUNTER_MATCHED_BLOCKS, matched);
  const requests: usize = shard + SHARD_NAME_REQUESTS + ((<usize>load<u32>(pick + PICK_NAME_NUMBER)) << 2);
  store<u32>(requests, load<u32>(requests) + 1);
}

function scoreColumn(shard: usize, number: u32): usize {
  return shard + SCORES + <usize>number * SCORES_STRIDE;
}

/**
 * Returns all that a dead shard charged and held, closes its streams and its read of the index, and forgets its working
 * order. For the control thread, after the shard's thread has ended.
 */
export function resetShard(shardNumber: u32): void {
  const shard = shardBase(shardNumber);
  memory.fill(shard + SHARD_IN_FLIGHT_REQUESTS, 0, ENDPOINTS_MAX * 4);
  memory.fill(shard + SHARD_IN_FLIGHT_TOKENS, 0, ENDPOINTS_MAX * 4);
  memory.fill(shard + SHARD_POLICY_HOLDS, 0, POLICIES_MAX * 4);
  store<u32>(shard + COLD_ORDER_COUNT, 0);
  const counters: usize = shard + SHARD_COUNTERS;
  store<u64>(
    counters + ((<usize>SHARD_COUNTER_STREAMS_CLOSED) << 3),
    load<u64>(counters + ((<usize>SHARD_COUNTER_STREAMS_OPENED) << 3)),
  );
  readEnd(shard);
}

export { inFlightRequests };
