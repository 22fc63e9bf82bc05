/**
 * Filters as kernels: each shortens the list of candidates in place and returns how many it leaves. Those that promise
 * to leave some put the list back when none would be left: nothing has been moved then.
 *
 * Parameters, by operation; a column or mask is named by the program:
 *   prefix affinity      threshold, probability to explore, largest TTFT penalty in ms, prefill tokens per second
 *   utilization          largest active, running, waiting requests and KV usage, 1: all when none is left
 *   attribute            operator (COMPARE_…), value, 1: keep unknown ones, 1: all when none is left
 *   context length       columns: smallest and largest length; both NaN: any length; the largest below the smallest:
 *                        none
 *   below utilization    queue and KV thresholds, age in ms at which metrics are stale, headroom
 *   below concurrency    requests and tokens per endpoint, LOAD_…, headroom
 * Thresholds compare scraped values as they are: requests sent since the scrape may run by now instead of waiting.
 */
import { hasBit, putSlot, slotAt } from "./candidates";
import { promptTokens } from "./charges";
import { drawFraction, STREAM_EXPLORATION } from "./draws";
import { markServing } from "./endpoint-names";
import {
  DEPTHS,
  FILTER_ATTRIBUTE,
  FILTER_BELOW_CONCURRENCY,
  FILTER_BELOW_UTILIZATION,
  FILTER_CONTEXT_LENGTH,
  FILTER_CUSTOM,
  FILTER_HEALTHY,
  FILTER_LABELS,
  FILTER_PREFIX_AFFINITY,
  FILTER_REQUEST_MASK,
  FILTER_REQUEST_MASK_OR_ALL,
  FILTER_SERVES_MODEL,
  FILTER_SESSION_OR_ALL,
  FILTER_UTILIZATION,
  KEPT,
  PICK_BLOCK_COUNT,
  PICK_MODEL_HASH,
  POLICY_STALE_MS,
  PROGRAM_OP,
  PROGRAM_OPERAND,
  SNAPSHOT_AGE_MS,
  SNAPSHOT_IN_FLIGHT_REQUESTS,
  SNAPSHOT_IN_FLIGHT_TOKENS,
  SNAPSHOT_KV_CACHE_USAGE,
  SNAPSHOT_QUEUE_DEPTH,
  SNAPSHOT_REACHABLE,
  SNAPSHOT_RUNNING,
} from "./layout";
import {
  attributeOf,
  labelMask,
  parameter,
  policyOf,
  requestMask,
  secondAttributeOf,
  seedOf,
  windowOf,
} from "./programs";
import { isBelowConcurrency, isBelowUtilization } from "./saturation";
import { boundSlot, NO_SLOT } from "./sessions";

const COMPARE_LESS: u32 = 0;
const COMPARE_LESS_OR_EQUAL: u32 = 1;
const COMPARE_GREATER: u32 = 2;
const COMPARE_GREATER_OR_EQUAL: u32 = 3;

/** Runs the filter program at `filter`, the `number`-th of its profile, and returns how many candidates are left. */
export function runFilter(shard: usize, pick: usize, filter: usize, number: u32, count: u32, nowMs: f64): u32 {
  switch (load<u32>(filter + PROGRAM_OP)) {
    case FILTER_LABELS:
      return keepMask(shard, count, labelMask(pick, filter));
    case FILTER_REQUEST_MASK:
      return keepMask(shard, count, requestMask(pick, filter));
    case FILTER_REQUEST_MASK_OR_ALL:
      return orAll(keepMask(shard, count, requestMask(pick, filter)), count);
    case FILTER_SESSION_OR_ALL:
      return keepBound(shard, pick, filter, count, nowMs);
    case FILTER_PREFIX_AFFINITY:
      return keepSticky(shard, pick, filter, number, count);
    case FILTER_UTILIZATION:
      return keepUtilized(shard, filter, count);
    case FILTER_ATTRIBUTE:
      return keepByAttribute(shard, filter, count);
    case FILTER_CONTEXT_LENGTH:
      return keepByContextLength(shard, pick, filter, count);
    case FILTER_BELOW_UTILIZATION:
      return keepBelowUtilization(shard, filter, count);
    case FILTER_BELOW_CONCURRENCY:
      return keepBelowConcurrency(shard, filter, count);
    case FILTER_SERVES_MODEL:
      return keepServing(shard, pick, count);
    case FILTER_HEALTHY:
      return keepHealthy(shard, pick, count);
    case FILTER_CUSTOM:
      return keepMarked(shard, count);
    default:
      unreachable();
      return 0;
  }
}

/** For filters that leave all where they would leave none: nothing was moved then. */
function orAll(kept: u32, count: u32): u32 {
  return kept == 0 ? count : kept;
}

/** Those in an endpoint mask; none when there is no mask. */
function keepMask(shard: usize, count: u32, mask: usize): u32 {
  if (mask == 0) return 0;
  let kept: u32 = 0;
  for (let position: u32 = 0; position < count; position++) {
    const slot = slotAt(shard, position);
    if (hasBit(mask, slot)) putSlot(shard, kept++, slot);
  }
  return kept;
}

/** Those that are marked. */
function keepMarked(shard: usize, count: u32): u32 {
  let kept: u32 = 0;
  for (let position: u32 = 0; position < count; position++) {
    const slot = slotAt(shard, position);
    if (load<u8>(shard + KEPT + <usize>position) != 0) putSlot(shard, kept++, slot);
  }
  return kept;
}

/** The endpoint that the session is bound to, if it is a candidate; otherwise all. */
function keepBound(shard: usize, pick: usize, filter: usize, count: u32, nowMs: f64): u32 {
  const bound = boundSlot(shard, pick, load<u32>(filter + PROGRAM_OPERAND), nowMs);
  if (bound == NO_SLOT) return count;
  for (let position: u32 = 0; position < count; position++) {
    if (slotAt(shard, position) != bound) continue;
    putSlot(shard, 0, bound);
    return 1;
  }
  return count;
}

/**
 * Those that hold at least the threshold's share of the prompt, unless the best of them would take too much longer to
 * the first token than the best of the others.
 */
function keepSticky(shard: usize, pick: usize, filter: usize, number: u32, count: u32): u32 {
  const threshold = parameter(filter, 0);
  const blockCount = load<u32>(pick + PICK_BLOCK_COUNT);
  if (count <= 1 || threshold <= 0 || blockCount == 0) return count;
  if (drawFraction(seedOf(pick), STREAM_EXPLORATION + <u64>number) < parameter(filter, 1)) return count;
  const needed = threshold * <f64>blockCount;
  let leastSticky: u32 = 0xffffffff;
  let leastOther: u32 = 0xffffffff;
  for (let position: u32 = 0; position < count; position++) {
    const slot = slotAt(shard, position);
    const tokens = load<u32>(shard + SNAPSHOT_IN_FLIGHT_TOKENS + ((<usize>slot) << 2));
    if (isSticky(shard, slot, needed)) leastSticky = min<u32>(leastSticky, tokens);
    else leastOther = min<u32>(leastOther, tokens);
  }
  if (leastSticky == 0xffffffff || leastOther == 0xffffffff) return count;
  const penaltyMs = ((<f64>leastSticky - <f64>leastOther) / parameter(filter, 3)) * 1000;
  if (penaltyMs > parameter(filter, 2)) return count;
  let kept: u32 = 0;
  for (let position: u32 = 0; position < count; position++) {
    const slot = slotAt(shard, position);
    if (isSticky(shard, slot, needed)) putSlot(shard, kept++, slot);
  }
  return kept;
}

function isSticky(shard: usize, slot: u32, neededBlocks: f64): bool {
  return <f64>load<u16>(shard + DEPTHS + ((<usize>slot) << 1)) >= neededBlocks;
}

/** Those at or below all maxima. What is not known of an endpoint is not held against it. */
function keepUtilized(shard: usize, filter: usize, count: u32): u32 {
  const activeMax = parameter(filter, 0);
  const runningMax = parameter(filter, 1);
  const waitingMax = parameter(filter, 2);
  const usageMax = parameter(filter, 3);
  let kept: u32 = 0;
  for (let position: u32 = 0; position < count; position++) {
    const slot = slotAt(shard, position);
    const column = shard + ((<usize>slot) << 2);
    if (<f64>load<u32>(column + SNAPSHOT_IN_FLIGHT_REQUESTS) > activeMax) continue;
    if (<f64>load<f32>(column + SNAPSHOT_RUNNING) > runningMax) continue;
    if (<f64>load<f32>(column + SNAPSHOT_QUEUE_DEPTH) > waitingMax) continue;
    // The column is as exact as a f32: so is the maximum, or a usage of 0.8 would be above 0.8.
    if (load<f32>(column + SNAPSHOT_KV_CACHE_USAGE) > <f32>usageMax) continue;
    putSlot(shard, kept++, slot);
  }
  return parameter(filter, 4) != 0 ? orAll(kept, count) : kept;
}

function keepByAttribute(shard: usize, filter: usize, count: u32): u32 {
  const operator = <u32>parameter(filter, 0);
  const value = parameter(filter, 1);
  const keepsUnknown = parameter(filter, 2) != 0;
  let kept: u32 = 0;
  for (let position: u32 = 0; position < count; position++) {
    const slot = slotAt(shard, position);
    const actual = attributeOf(filter, slot);
    const keeps: bool = actual == actual ? compares(actual, operator, value) : keepsUnknown;
    if (keeps) putSlot(shard, kept++, slot);
  }
  return parameter(filter, 3) != 0 ? orAll(kept, count) : kept;
}

function compares(actual: f64, operator: u32, value: f64): bool {
  if (operator == COMPARE_LESS) return actual < value;
  if (operator == COMPARE_LESS_OR_EQUAL) return actual <= value;
  if (operator == COMPARE_GREATER) return actual > value;
  if (operator == COMPARE_GREATER_OR_EQUAL) return actual >= value;
  return actual == value;
}

function keepByContextLength(shard: usize, pick: usize, filter: usize, count: u32): u32 {
  const tokens = <f64>promptTokens(windowOf(shard, pick), policyOf(pick));
  let kept: u32 = 0;
  for (let position: u32 = 0; position < count; position++) {
    const slot = slotAt(shard, position);
    const least = attributeOf(filter, slot);
    const most = secondAttributeOf(filter, slot);
    const isUnlabelled = least != least && most != most;
    if (isUnlabelled || (least <= tokens && tokens <= most)) putSlot(shard, kept++, slot);
  }
  return kept;
}

function keepBelowUtilization(shard: usize, filter: usize, count: u32): u32 {
  let kept: u32 = 0;
  for (let position: u32 = 0; position < count; position++) {
    const slot = slotAt(shard, position);
    if (isBelowUtilization(shard, filter, slot)) putSlot(shard, kept++, slot);
  }
  return orAll(kept, count);
}

/** This one may leave none: what is in flight is known, so all are full then. */
function keepBelowConcurrency(shard: usize, filter: usize, count: u32): u32 {
  let kept: u32 = 0;
  for (let position: u32 = 0; position < count; position++) {
    const slot = slotAt(shard, position);
    if (isBelowConcurrency(shard, filter, slot)) putSlot(shard, kept++, slot);
  }
  return kept;
}

/** Those that serve the request's model, or do not say which they serve; all for a request without a model. */
function keepServing(shard: usize, pick: usize, count: u32): u32 {
  const hash = load<u64>(pick + PICK_MODEL_HASH);
  if (hash == 0) return count;
  markServing(shard, count, hash);
  return keepMarked(shard, count);
}

/** Those that are reachable and were scraped lately; all when there is none. */
function keepHealthy(shard: usize, pick: usize, count: u32): u32 {
  const staleMs = <f64>load<u32>(policyOf(pick) + POLICY_STALE_MS);
  let kept: u32 = 0;
  for (let position: u32 = 0; position < count; position++) {
    const slot = slotAt(shard, position);
    const isFresh = load<f64>(shard + SNAPSHOT_AGE_MS + ((<usize>slot) << 3)) <= staleMs;
    if (isFresh && hasBit(shard + SNAPSHOT_REACHABLE, slot)) putSlot(shard, kept++, slot);
  }
  return orAll(kept, count);
}
