/**
 * What a pick charges to its endpoint before the next pick sees the pool: one request, the prompt's tokens that the
 * endpoint does not hold, and an estimate of the output where the policy asks for one. Whoever charged returns it, all
 * at once or the tokens of the prompt before the rest.
 */
import {
  PARTS_COUNT,
  POLICY_OUTPUT_RATIO,
  POLICY_OUTPUT_TOKENS_MAX,
  POLICY_TOKEN_SIZE,
  SHARD_IN_FLIGHT_REQUESTS,
  SHARD_IN_FLIGHT_TOKENS,
  SNAPSHOT_IN_FLIGHT_REQUESTS,
  SNAPSHOT_IN_FLIGHT_TOKENS,
  SNAPSHOT_SURPLUS,
  WINDOW_BLOCK_SIZE,
  WINDOW_BREAK_COUNT,
  WINDOW_PROMPT_SIZE,
  WINDOW_SCAN_PART_SIZES,
} from "./layout";
import { shardBase } from "./memory";
import { idCountOf } from "./prompt-chain";

/** Tokens of the prompts of a window, 0 for a request without a body. */
export function promptTokens(window: usize, policy: usize): u32 {
  return window == 0 ? 0 : tokensOf(load<u32>(window + WINDOW_PROMPT_SIZE), policy);
}

/** The same less those in the `matched` leading blocks. */
export function uncachedTokens(window: usize, policy: usize, matched: u32): u32 {
  if (window == 0) return 0;
  const size = load<u32>(window + WINDOW_PROMPT_SIZE);
  const held = heldSize(window, matched);
  return held >= size ? 0 : tokensOf(size - held, policy);
}

/** Estimated output tokens that are charged with a prompt. */
export function outputTokens(window: usize, policy: usize): u32 {
  const ratio = load<f64>(policy + POLICY_OUTPUT_RATIO);
  if (ratio == 0 || window == 0) return 0;
  const estimate = Math.floor(<f64>promptTokens(window, policy) * ratio + 0.5);
  return <u32>min<f64>(estimate, <f64>load<u32>(policy + POLICY_OUTPUT_TOKENS_MAX));
}

/**
 * Bytes in the leading blocks of a window's prompt. The last block of a part may be a partial one; with several
 * prompts, whose matches are added up, every block counts as a full one.
 */
function heldSize(window: usize, matched: u32): u32 {
  const blockSize = load<u32>(window + WINDOW_BLOCK_SIZE);
  if (matched == 0 || load<u32>(window + WINDOW_BREAK_COUNT) > 0) return matched * blockSize;
  let held: u32 = 0;
  for (let part: u32 = 0; part < PARTS_COUNT && matched > 0; part++) {
    const blocks = min<u32>(matched, idCountOf(window, part));
    held += min<u32>(blocks * blockSize, load<u32>(window + WINDOW_SCAN_PART_SIZES + ((<usize>part) << 2)));
    matched -= blocks;
  }
  return held;
}

function tokensOf(size: u32, policy: usize): u32 {
  const tokenSize = load<u32>(policy + POLICY_TOKEN_SIZE);
  return (size + tokenSize - 1) / tokenSize;
}

/** Charges one request with these tokens, for all shards and for the rest of this batch. */
export function charge(shard: usize, slot: u32, tokens: u32): void {
  const column = shard + ((<usize>slot) << 2);
  atomic.store<u32>(column + SHARD_IN_FLIGHT_REQUESTS, load<u32>(column + SHARD_IN_FLIGHT_REQUESTS) + 1);
  atomic.store<u32>(column + SHARD_IN_FLIGHT_TOKENS, load<u32>(column + SHARD_IN_FLIGHT_TOKENS) + tokens);
  store<u32>(column + SNAPSHOT_IN_FLIGHT_REQUESTS, load<u32>(column + SNAPSHOT_IN_FLIGHT_REQUESTS) + 1);
  store<u32>(column + SNAPSHOT_IN_FLIGHT_TOKENS, load<u32>(column + SNAPSHOT_IN_FLIGHT_TOKENS) + tokens);
  store<i32>(column + SNAPSHOT_SURPLUS, load<i32>(column + SNAPSHOT_SURPLUS) + 1);
}

/** Returns what is left of a pick's charge: one request and these tokens. */
export function releasePick(shardNumber: u32, slot: u32, tokens: u32): void {
  const requests = shardBase(shardNumber) + SHARD_IN_FLIGHT_REQUESTS + ((<usize>slot) << 2);
  // Not an assert: a charge that is returned twice must not pass in the release build either.
  if (load<u32>(requests) == 0) unreachable();
  atomic.store<u32>(requests, load<u32>(requests) - 1);
  releaseTokens(shardNumber, slot, tokens);
}

/** Returns tokens of a pick's charge before the rest. */
export function releaseTokens(shardNumber: u32, slot: u32, tokens: u32): void {
  const inFlight = shardBase(shardNumber) + SHARD_IN_FLIGHT_TOKENS + ((<usize>slot) << 2);
  if (load<u32>(inFlight) < tokens) unreachable();
  atomic.store<u32>(inFlight, load<u32>(inFlight) - tokens);
}
