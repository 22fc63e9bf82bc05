/**
 * How full a pool is: 0 idle, 1 saturated, more is possible. An empty pool is saturated. Endpoints that cannot be
 * reached belong to the pool: their metrics are stale, so they count as full.
 *
 * Parameters of the detectors:
 *   utilization    queue and KV thresholds, age in ms at which metrics are stale, headroom: the mean over the endpoints
 *                  of
 *                  max(queue / threshold, KV usage / threshold), where unknown or stale metrics count as 1
 *   concurrency    requests and tokens per endpoint, LOAD_…, headroom: what is in flight over what fits
 * Headroom, a share of the thresholds, counts only where they filter single endpoints.
 */
import { hasBit } from "./candidates";
import { takeSnapshot } from "./endpoint-columns";
import {
  DETECTOR_CONCURRENCY,
  DETECTOR_UTILIZATION,
  MASK_SIZE,
  PICK_FLAGS,
  PICK_HAS_MASK,
  PICK_MASK,
  POLICY_DETECTOR,
  POLICY_STALE_MS,
  PROGRAM_OP,
  SHARD_PICKS,
  SNAPSHOT_AGE_MS,
  SNAPSHOT_IN_FLIGHT_REQUESTS,
  SNAPSHOT_IN_FLIGHT_TOKENS,
  SNAPSHOT_KV_CACHE_USAGE,
  SNAPSHOT_PRESENT,
  SNAPSHOT_QUEUE_DEPTH,
  SNAPSHOT_SLOT_COUNT,
} from "./layout";
import { policyBase, shardBase } from "./memory";
import { parameter } from "./programs";

/** What the concurrency detector looks at. */
const LOAD_REQUESTS: u32 = 0;
const LOAD_TOKENS: u32 = 1;

/** Saturation by a policy's detector, of the endpoints that pick record 0 allows; 0 for a policy without detector. */
export function poolSaturation(shardNumber: u32, policyNumber: u32, nowMs: f64): f64 {
  const shard = shardBase(shardNumber);
  const detector = policyBase(policyNumber) + POLICY_DETECTOR;
  const op = load<u32>(detector + PROGRAM_OP);
  if (op == DETECTOR_UTILIZATION) {
    takeSnapshot(shard, nowMs, parameter(detector, 2));
    return utilization(shard, parameter(detector, 0), parameter(detector, 1));
  }
  if (op == DETECTOR_CONCURRENCY) {
    takeSnapshot(shard, nowMs, 0);
    return concurrency(shard, detector);
  }
  return 0;
}

/** Mean utilization against given thresholds, of the endpoints that pick record 0 allows. */
export function meanUtilization(
  shardNumber: u32,
  policyNumber: u32,
  nowMs: f64,
  queueThreshold: f64,
  kvThreshold: f64,
): f64 {
  const shard = shardBase(shardNumber);
  takeSnapshot(shard, nowMs, <f64>load<u32>(policyBase(policyNumber) + POLICY_STALE_MS));
  return utilization(shard, queueThreshold, kvThreshold);
}

/** Fresh, and below both thresholds. A value that the policy counts as stale is unknown, however patient the filter. */
export function isBelowUtilization(shard: usize, program: usize, slot: u32): bool {
  const room = 1 + parameter(program, 3);
  const column = shard + ((<usize>slot) << 2);
  if (load<f64>(shard + SNAPSHOT_AGE_MS + ((<usize>slot) << 3)) > parameter(program, 2)) return false;
  const isQueueShort = <f64>load<f32>(column + SNAPSHOT_QUEUE_DEPTH) < parameter(program, 0) * room;
  // Compared as f32, as exact as the column is: a usage of 0.8 is not below 0.8.
  return isQueueShort && load<f32>(column + SNAPSHOT_KV_CACHE_USAGE) < <f32>(parameter(program, 1) * room);
}

export function isBelowConcurrency(shard: usize, program: usize, slot: u32): bool {
  const room = 1 + parameter(program, 3);
  const column = shard + ((<usize>slot) << 2);
  const mode = <u32>parameter(program, 2);
  const areRequestsFew = <f64>load<u32>(column + SNAPSHOT_IN_FLIGHT_REQUESTS) < parameter(program, 0) * room;
  const areTokensFew = <f64>load<u32>(column + SNAPSHOT_IN_FLIGHT_TOKENS) < parameter(program, 1) * room;
  if (mode == LOAD_REQUESTS) return areRequestsFew;
  return mode == LOAD_TOKENS ? areTokensFew : areRequestsFew && areTokensFew;
}

function utilization(shard: usize, queueThreshold: f64, kvThreshold: f64): f64 {
  const slotCount = load<u32>(shard + SNAPSHOT_SLOT_COUNT);
  allowPool(shard);
  let sum: f64 = 0;
  let endpoints: u32 = 0;
  for (let slot: u32 = 0; slot < slotCount; slot++) {
    if (!hasBit(shard + SNAPSHOT_PRESENT, slot)) continue;
    const column = shard + ((<usize>slot) << 2);
    const queue = <f64>load<f32>(column + SNAPSHOT_QUEUE_DEPTH) / queueThreshold;
    const usage = <f64>load<f32>(column + SNAPSHOT_KV_CACHE_USAGE) / kvThreshold;
    // NaN where either is unknown.
    const fuller = max<f64>(queue, usage);
    sum += fuller == fuller ? fuller : 1;
    endpoints++;
  }
  return endpoints == 0 ? 1 : sum / <f64>endpoints;
}

function concurrency(shard: usize, detector: usize): f64 {
  const slotCount = load<u32>(shard + SNAPSHOT_SLOT_COUNT);
  const requestsMax = parameter(detector, 0);
  const tokensMax = parameter(detector, 1);
  const mode = <u32>parameter(detector, 2);
  allowPool(shard);
  let requests: f64 = 0;
  let tokens: f64 = 0;
  let fuller: f64 = 0;
  let endpoints: f64 = 0;
  for (let slot: u32 = 0; slot < slotCount; slot++) {
    if (!hasBit(shard + SNAPSHOT_PRESENT, slot)) continue;
    const column = shard + ((<usize>slot) << 2);
    const ownRequests = <f64>load<u32>(column + SNAPSHOT_IN_FLIGHT_REQUESTS);
    const ownTokens = <f64>load<u32>(column + SNAPSHOT_IN_FLIGHT_TOKENS);
    requests += ownRequests;
    tokens += ownTokens;
    fuller += max<f64>(ownRequests / requestsMax, ownTokens / tokensMax);
    endpoints++;
  }
  if (endpoints == 0) return 1;
  // Sums of whole numbers are exact: a pool that is just full is 1, whatever its endpoints share it out as.
  if (mode == LOAD_REQUESTS) return requests / (endpoints * requestsMax);
  return mode == LOAD_TOKENS ? tokens / (endpoints * tokensMax) : fuller / endpoints;
}

/** Takes endpoints that the request may not use out of the snapshot. */
function allowPool(shard: usize): void {
  const pick = shard + SHARD_PICKS;
  if ((load<u32>(pick + PICK_FLAGS) & PICK_HAS_MASK) == 0) return;
  for (let at: usize = 0; at < MASK_SIZE; at += 8) {
    const present = shard + SNAPSHOT_PRESENT + at;
    store<u64>(present, load<u64>(present) & load<u64>(pick + PICK_MASK + at));
  }
}
