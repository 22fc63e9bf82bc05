/**
 * One pick step by step, for profiles with parts in TypeScript, which run between the steps at their place in the
 * profile. Always pick record 0; steps come in this order, each once:
 *
 *   stageBegin ─► stageFilter 0 … n − 1 ─► stageScore 0 … m − 1 ─► stageTotal ─► stagePick ─► stageAnswer
 *        └─ 0: no endpoints    └─ 0: filtered out                                   (or TypeScript: CHOSEN)
 *
 * Between them TypeScript marks candidates at KEPT before a custom filter's step, and fills a custom scorer's column
 * before its step. A pick that is left before its answer has changed nothing.
 */
import { takeSnapshot } from "./endpoint-columns";
import {
  PICK_CANDIDATE_COUNT,
  POLICY_STALE_MS,
  PROFILE_PICKER,
  PROFILE_TARGETS_MAX,
  SHARD_COUNTER_BATCHES,
  SHARD_PICKS,
  SHARD_RING_HEAD,
} from "./layout";
import { addCounter, shardBase } from "./memory";
import { choose } from "./picker";
import { readBegin, readEnd, ringDoorbell } from "./prefix-index";
import { policyOf, profileOf } from "./programs";
import { answer, applyFilter, applyScorer, prepare, sumScores } from "./schedule";

/** Takes the snapshot, lists the candidates and matches the prompt. Returns how many candidates there are. */
export function stageBegin(shardNumber: u32, nowMs: f64): u32 {
  const shard = shardBase(shardNumber);
  const pick = shard + SHARD_PICKS;
  readBegin(shard);
  takeSnapshot(shard, nowMs, <f64>load<u32>(policyOf(pick) + POLICY_STALE_MS));
  const count = prepare(shard, pick);
  readEnd(shard);
  return count;
}

/** Runs a filter of the profile and returns how many candidates are left. */
export function stageFilter(shardNumber: u32, number: u32, nowMs: f64): u32 {
  const shard = shardBase(shardNumber);
  const pick = shard + SHARD_PICKS;
  return applyFilter(shard, pick, profileOf(pick), number, nowMs);
}

/** Fills the column of a scorer of the profile. */
export function stageScore(shardNumber: u32, number: u32, nowMs: f64): void {
  const shard = shardBase(shardNumber);
  const pick = shard + SHARD_PICKS;
  applyScorer(shard, pick, profileOf(pick), number, nowMs);
}

export function stageTotal(shardNumber: u32): void {
  const shard = shardBase(shardNumber);
  const pick = shard + SHARD_PICKS;
  sumScores(shard, pick, profileOf(pick));
}

/** Lets the profile's picker choose and returns how many targets stand at CHOSEN. */
export function stagePick(shardNumber: u32): u32 {
  const shard = shardBase(shardNumber);
  const pick = shard + SHARD_PICKS;
  const profile = profileOf(pick);
  const count = load<u32>(pick + PICK_CANDIDATE_COUNT);
  return choose(shard, pick, load<u32>(profile + PROFILE_PICKER), load<u32>(profile + PROFILE_TARGETS_MAX), count);
}

/** Writes the answer for the `chosen` targets at CHOSEN, charges and records. */
export function stageAnswer(shardNumber: u32, chosen: u32, nowMs: f64): void {
  const shard = shardBase(shardNumber);
  const pick = shard + SHARD_PICKS;
  const ringHead = load<u32>(shard + SHARD_RING_HEAD);
  answer(shard, pick, profileOf(pick), chosen, nowMs);
  if (load<u32>(shard + SHARD_RING_HEAD) != ringHead) ringDoorbell();
  addCounter(shard, SHARD_COUNTER_BATCHES, 1);
}
