/**
 * Scorers as kernels: each fills one column with a score in [0, 1] per candidate. Formulas are the field's (the Go
 * picker's); what differs is an unknown scraped value: it scores the mean of the known ones, 1 if none is known, so
 * that a server that was never scraped does not look idle.
 *
 * Parameters, by operation; a column or mask is named by the program:
 *   prefix cache      weight of the match's length, length in tokens at which that is full
 *   load aware        queue at which the score is 0
 *   active request    requests up to which an endpoint counts as idle, best score of one that does not
 *   token load        tokens at which the score is 0
 *   no-hit LRU        endpoints that the order remembers, 0: all
 *   context length    columns: smallest and largest length; both NaN: not labelled; the largest below the smallest:
 *                     invalid
 *   attribute         1: higher is better, 1: fixed range, the range's minimum and maximum
 */
import { addPositiveI32, gatherF32, gatherU32, hasBit, slotAt } from "./candidates";
import { promptTokens, uncachedTokens } from "./charges";
import { scoreNoHitLru } from "./cold-picks";
import { scoreAdapters } from "./endpoint-names";
import {
  DEPTHS,
  PICK_BLOCK_COUNT,
  PICK_MODEL_HASH,
  POLICY_BLOCK_SIZE,
  POLICY_STALE_MS,
  POLICY_TOKEN_SIZE,
  PROGRAM_OP,
  PROGRAM_OPERAND,
  SCORER_ACTIVE_REQUEST,
  SCORER_ATTRIBUTE,
  SCORER_CONTEXT_LENGTH,
  SCORER_CUSTOM,
  SCORER_KV_CACHE_UTILIZATION,
  SCORER_LOAD_AWARE,
  SCORER_LORA_AFFINITY,
  SCORER_NO_HIT_LRU,
  SCORER_PREFIX_CACHE,
  SCORER_QUEUE_DEPTH,
  SCORER_REQUEST_MASK,
  SCORER_RUNNING_REQUESTS,
  SCORER_SESSION,
  SCORER_TOKEN_LOAD,
  SNAPSHOT_AGE_MS,
  SNAPSHOT_IN_FLIGHT_REQUESTS,
  SNAPSHOT_IN_FLIGHT_TOKENS,
  SNAPSHOT_KV_CACHE_USAGE,
  SNAPSHOT_QUEUE_DEPTH,
  SNAPSHOT_RUNNING,
  SNAPSHOT_SURPLUS,
} from "./layout";
import { attributeOf, parameter, policyOf, requestMask, secondAttributeOf, windowOf } from "./programs";
import { columnMax, columnMin, fillColumn, fillUnknown, subtractFrom, subtractFromAndDivide } from "./score-columns";
import { boundSlot, NO_SLOT } from "./sessions";

/** Fills the column at `scores` (f64 per candidate position) by the scorer program at `scorer`. */
export function runScorer(shard: usize, pick: usize, scorer: usize, count: u32, nowMs: f64, scores: usize): void {
  switch (load<u32>(scorer + PROGRAM_OP)) {
    case SCORER_QUEUE_DEPTH:
      gatherLoad(shard, count, SNAPSHOT_QUEUE_DEPTH, scores);
      return preferFewest(count, scores);
    case SCORER_RUNNING_REQUESTS:
      gatherLoad(shard, count, SNAPSHOT_RUNNING, scores);
      return preferFewest(count, scores);
    case SCORER_KV_CACHE_UTILIZATION:
      return scoreKvCacheUtilization(shard, count, scores);
    case SCORER_PREFIX_CACHE:
      return scorePrefixCache(shard, pick, scorer, count, scores);
    case SCORER_LORA_AFFINITY:
      return scoreLoraAffinity(shard, pick, count, scores);
    case SCORER_LOAD_AWARE:
      return scoreLoadAware(shard, scorer, count, scores);
    case SCORER_ACTIVE_REQUEST:
      return scoreActiveRequest(shard, scorer, count, scores);
    case SCORER_TOKEN_LOAD:
      return scoreTokenLoad(shard, pick, scorer, count, scores);
    case SCORER_NO_HIT_LRU:
      return scoreNoHitLru(shard, pick, scorer, count, scores);
    case SCORER_REQUEST_MASK:
      return scoreMask(shard, requestMask(pick, scorer), count, scores);
    case SCORER_SESSION:
      return scoreSession(shard, pick, scorer, count, nowMs, scores);
    case SCORER_CONTEXT_LENGTH:
      return scoreContextLength(shard, pick, scorer, count, scores);
    case SCORER_ATTRIBUTE:
      return scoreAttribute(shard, scorer, count, scores);
    case SCORER_CUSTOM:
      return fillUnknown(scores, count);
    default:
      unreachable();
  }
}

/**
 * Requests as the endpoint would report them now: what was scraped, and every request in flight beyond those that were
 * in flight at the scrape. So a pick counts before the next scrape can see it, and herds do not form.
 */
function gatherLoad(shard: usize, count: u32, scraped: u32, scores: usize): void {
  gatherF32(shard, count, shard + scraped, scores);
  addPositiveI32(shard, count, shard + SNAPSHOT_SURPLUS, scores);
}

/** (max − n) / (max − min) over the candidates with a known n; 1 for all of them when they are equal. */
function preferFewest(count: u32, scores: usize): void {
  const most = columnMax(scores, count);
  const range = most - columnMin(scores, count);
  if (range > 0) subtractFromAndDivide(scores, count, most, range);
  else equalOnes(count, scores);
  fillUnknown(scores, count);
}

function equalOnes(count: u32, scores: usize): void {
  for (let at = scores; at < scores + ((<usize>count) << 3); at += 8) {
    const value = load<f64>(at);
    if (value == value) store<f64>(at, 1);
  }
}

/** 1 − k, not normalised over the candidates. */
function scoreKvCacheUtilization(shard: usize, count: u32, scores: usize): void {
  gatherF32(shard, count, shard + SNAPSHOT_KV_CACHE_USAGE, scores);
  subtractFrom(scores, count, 1);
  fillUnknown(scores, count);
}

/** w × min(1, matched tokens / scale)² + (1 − w) × matched / total blocks. 0 for a request without blocks. */
function scorePrefixCache(shard: usize, pick: usize, scorer: usize, count: u32, scores: usize): void {
  const blockCount = load<u32>(pick + PICK_BLOCK_COUNT);
  fillColumn(scores, count, 0);
  if (blockCount == 0) return;
  const policy = policyOf(pick);
  const lengthWeight = parameter(scorer, 0);
  const scale = parameter(scorer, 1);
  const blockTokens = <f64>load<u32>(policy + POLICY_BLOCK_SIZE) / <f64>load<u32>(policy + POLICY_TOKEN_SIZE);
  for (let position: u32 = 0; position < count; position++) {
    const depth = load<u16>(shard + DEPTHS + ((<usize>slotAt(shard, position)) << 1));
    // Most candidates hold nothing, and a division costs more than all the rest.
    if (depth == 0) continue;
    const matched = <f64>depth;
    let value = matched / <f64>blockCount;
    if (lengthWeight > 0) {
      const length = min<f64>(1, (matched * blockTokens) / scale);
      value = lengthWeight * length * length + (1 - lengthWeight) * value;
    }
    store<f64>(scores + ((<usize>position) << 3), value);
  }
}

/** 1 where the model runs as an adapter, 0.8 where there is room for one more, 0.6 where it waits, else 0. */
function scoreLoraAffinity(shard: usize, pick: usize, count: u32, scores: usize): void {
  const staleMs = <f64>load<u32>(policyOf(pick) + POLICY_STALE_MS);
  scoreAdapters(shard, count, load<u64>(pick + PICK_MODEL_HASH), scores);
  for (let position: u32 = 0; position < count; position++) {
    const ageMs = load<f64>(shard + SNAPSHOT_AGE_MS + ((<usize>slotAt(shard, position)) << 3));
    if (!(ageMs <= staleMs)) store<f64>(scores + ((<usize>position) << 3), NaN);
  }
  fillUnknown(scores, count);
}

/** 0.5 × (1 − min(q, T) / T): 0.5 for an empty queue, 0 from T on. */
function scoreLoadAware(shard: usize, scorer: usize, count: u32, scores: usize): void {
  const threshold = parameter(scorer, 0);
  gatherLoad(shard, count, SNAPSHOT_QUEUE_DEPTH, scores);
  for (let at = scores; at < scores + ((<usize>count) << 3); at += 8) {
    const depth = load<f64>(at);
    if (depth == 0) store<f64>(at, 0.5);
    else if (depth == depth) store<f64>(at, 0.5 * (1 - min<f64>(depth, threshold) / threshold));
  }
  fillUnknown(scores, count);
}

/** 1 up to the idle threshold, else (max − c) / max × best busy score. */
function scoreActiveRequest(shard: usize, scorer: usize, count: u32, scores: usize): void {
  const idle = parameter(scorer, 0);
  const busyMax = parameter(scorer, 1);
  gatherU32(shard, count, shard + SNAPSHOT_IN_FLIGHT_REQUESTS, scores);
  const most = columnMax(scores, count);
  for (let at = scores; at < scores + ((<usize>count) << 3); at += 8) {
    const active = load<f64>(at);
    const value: f64 = active <= idle ? 1 : ((most - active) / most) * busyMax;
    store<f64>(at, value);
  }
}

/** 1 − min(t, T) / T, t: tokens in flight and those of this request that the endpoint does not hold; 1 for none. */
function scoreTokenLoad(shard: usize, pick: usize, scorer: usize, count: u32, scores: usize): void {
  const threshold = parameter(scorer, 0);
  const policy = policyOf(pick);
  const window = windowOf(shard, pick);
  const hasBlocks = load<u32>(pick + PICK_BLOCK_COUNT) > 0;
  const all = promptTokens(window, policy);
  gatherU32(shard, count, shard + SNAPSHOT_IN_FLIGHT_TOKENS, scores);
  for (let position: u32 = 0; position < count; position++) {
    const at = scores + ((<usize>position) << 3);
    let own = all;
    if (hasBlocks) {
      const matched = <u32>load<u16>(shard + DEPTHS + ((<usize>slotAt(shard, position)) << 1));
      if (matched > 0) own = uncachedTokens(window, policy, matched);
    }
    const tokens = load<f64>(at) + <f64>own;
    const value: f64 = tokens <= 0 ? 1 : 1 - min<f64>(tokens, threshold) / threshold;
    store<f64>(at, value);
  }
}

/** 1 for the endpoints of a mask, 0 for the others, and for all when there is no mask. */
function scoreMask(shard: usize, mask: usize, count: u32, scores: usize): void {
  fillColumn(scores, count, 0);
  if (mask == 0) return;
  for (let position: u32 = 0; position < count; position++) {
    if (hasBit(mask, slotAt(shard, position))) store<f64>(scores + ((<usize>position) << 3), 1);
  }
}

/** 1 for the endpoint that the session is bound to, 0 for the others. */
function scoreSession(shard: usize, pick: usize, scorer: usize, count: u32, nowMs: f64, scores: usize): void {
  fillColumn(scores, count, 0);
  const bound = boundSlot(shard, pick, load<u32>(scorer + PROGRAM_OPERAND), nowMs);
  if (bound == NO_SLOT) return;
  for (let position: u32 = 0; position < count; position++) {
    if (slotAt(shard, position) == bound) store<f64>(scores + ((<usize>position) << 3), 1);
  }
}

/**
 * How well the prompt's L tokens fit into the endpoint's range. Within it 0.3 + 0.7 × (0.7 / (1 + width / 10000) + 0.3
 * × (max − L) / width), which favours narrow ranges, and 1 for a range of one length; outside 0.3 / (1 + distance /
 * 1000); 0.5 without a label, 0 with an invalid one.
 */
function scoreContextLength(shard: usize, pick: usize, scorer: usize, count: u32, scores: usize): void {
  const tokens = <f64>promptTokens(windowOf(shard, pick), policyOf(pick));
  for (let position: u32 = 0; position < count; position++) {
    const slot = slotAt(shard, position);
    const least = attributeOf(scorer, slot);
    const most = secondAttributeOf(scorer, slot);
    store<f64>(scores + ((<usize>position) << 3), fitOf(tokens, least, most));
  }
}

function fitOf(tokens: f64, least: f64, most: f64): f64 {
  if (least != least && most != most) return 0.5;
  const width = most - least;
  // Written so that a range of which one end is missing is invalid, too.
  if (!(width >= 0)) return 0;
  if (tokens < least) return 0.3 / (1 + (least - tokens) / 1000);
  if (tokens > most) return 0.3 / (1 + (tokens - most) / 1000);
  if (width == 0) return 1;
  return 0.3 + 0.7 * (0.7 / (1 + width / 10000) + (0.3 * (most - tokens)) / width);
}

/**
 * Linear from one end of a range to the other, clamped: a fixed range, or that of the candidates, where equal ones
 * score 1. An endpoint without the attribute scores 0.
 */
function scoreAttribute(shard: usize, scorer: usize, count: u32, scores: usize): void {
  for (let position: u32 = 0; position < count; position++) {
    store<f64>(scores + ((<usize>position) << 3), attributeOf(scorer, slotAt(shard, position)));
  }
  const prefersHigh = parameter(scorer, 0) != 0;
  let least = parameter(scorer, 2);
  let most = parameter(scorer, 3);
  if (parameter(scorer, 1) == 0) {
    least = columnMin(scores, count);
    most = columnMax(scores, count);
  }
  const range = most - least;
  for (let at = scores; at < scores + ((<usize>count) << 3); at += 8) {
    const value = load<f64>(at);
    if (value != value) {
      store<f64>(at, 0);
      continue;
    }
    let share: f64 = 1;
    if (range > 0) share = prefersHigh ? (value - least) / range : (most - value) / range;
    store<f64>(at, min<f64>(1, max<f64>(0, share)));
  }
}
