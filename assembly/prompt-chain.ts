/**
 * From the block ids of a scanned body to what the candidates hold of its prompts. A key is chained from all ids before
 * it, so an endpoint that holds a key holds the prompt up to there. Most requests have one prompt; each of several (a
 * list of completions, say) is chained, matched and recorded by itself, and what is matched of them adds up. Every
 * chain begins at the root, as the index needs it (M12).
 *
 *   keys:  root ─┬─► tools ─► system ─► prompt 1
 *                ├─► prompt 2
 *                └─► prompt 3 …
 */
import {
  CANDIDATE_MASK,
  CANDIDATE_SLOTS,
  DEPTHS,
  KEYS,
  MODEL_SIZE_MAX,
  PART_PROMPT,
  PART_STRIDE,
  PROMPT_DEPTHS,
  WINDOW_BREAK_COUNT,
  WINDOW_BREAKS,
  WINDOW_IDS,
  WINDOW_MODEL,
  WINDOW_MODEL_SIZE,
  WINDOW_PARTS,
  WINDOW_SALT,
  WINDOW_SALT_SIZE,
  WORK,
} from "./layout";
import { matchKeys, overlayMatch, ringPush } from "./prefix-index";
import { chainKey, xxh64 } from "./xxh64";

/** Chains the ids of the window into KEYS, in the order in which chat templates use the parts. Returns their count. */
export function chainBlocks(shard: usize, window: usize, blocksMax: u32): u32 {
  const root = rootKey(shard, window);
  let previous = root;
  let count: u32 = 0;
  for (let part: u32 = 0; part < PART_PROMPT; part++) {
    const idCount = min<u32>(idCountOf(window, part), blocksMax - count);
    previous = chainIds(shard, firstId(window, part), idCount, previous, count);
    count += idCount;
  }
  const breakCount = load<u32>(window, WINDOW_BREAK_COUNT);
  const ids = firstId(window, PART_PROMPT);
  let from: u32 = 0;
  for (let prompt: u32 = 0; prompt <= breakCount; prompt++) {
    const end = promptEnd(window, prompt);
    const idCount = min<u32>(end - from, blocksMax - count);
    chainIds(shard, ids + ((<usize>from) << 3), idCount, previous, count);
    previous = root;
    count += idCount;
    from = end;
  }
  return count;
}

/** Writes to DEPTHS how many of the request's keys each candidate leads with, own picks included. */
export function matchPrompts(shard: usize, window: usize, blockCount: u32, candidateCount: u32): void {
  const keys: usize = shard + KEYS;
  if (load<u32>(window, WINDOW_BREAK_COUNT) == 0) {
    matchKeys(keys, blockCount, shard + CANDIDATE_MASK, shard + DEPTHS, shard + WORK);
    overlayMatch(shard, keys, blockCount, shard + DEPTHS);
    return;
  }
  clearDepths(shard, candidateCount);
  let from: u32 = 0;
  for (let prompt: u32 = 0; from < blockCount; prompt++) {
    const end = keyEnd(window, prompt, blockCount);
    if (from < end) {
      const own = keys + ((<usize>from) << 3);
      matchKeys(own, end - from, shard + CANDIDATE_MASK, shard + PROMPT_DEPTHS, shard + WORK);
      overlayMatch(shard, own, end - from, shard + PROMPT_DEPTHS);
      addDepths(shard, candidateCount);
    }
    from = end;
  }
}

/** Tells the index writer what the picked endpoint holds from now on: one record per prompt. */
export function pushPrompts(shard: usize, window: usize, blockCount: u32, slot: u32, generation: u32): void {
  let from: u32 = 0;
  for (let prompt: u32 = 0; from < blockCount; prompt++) {
    const end = keyEnd(window, prompt, blockCount);
    ringPush(shard, slot, generation, shard + KEYS + ((<usize>from) << 3), end - from);
    from = end;
  }
}

/** h₋₁ = XXH64(model ‖ 0 ‖ cache salt): equal prompts of two models, or of two salts, share no block. */
function rootKey(shard: usize, window: usize): u64 {
  const modelSize = load<u32>(window, WINDOW_MODEL_SIZE);
  assert(modelSize <= MODEL_SIZE_MAX);
  const saltSize = load<u32>(window, WINDOW_SALT_SIZE);
  const work: usize = shard + WORK;
  memory.copy(work, window + WINDOW_MODEL, modelSize);
  store<u8>(work + modelSize, 0);
  memory.copy(work + modelSize + 1, window + WINDOW_SALT, saltSize);
  return xxh64(work, modelSize + 1 + saltSize);
}

/** Chains ids to `previous`, writes the keys from KEYS[at] on and returns the last one. */
function chainIds(shard: usize, ids: usize, idCount: u32, previous: u64, at: u32): u64 {
  const keys: usize = shard + KEYS + ((<usize>at) << 3);
  for (let offset: usize = 0; offset < (<usize>idCount) << 3; offset += 8) {
    previous = chainKey(load<u64>(ids + offset), previous);
    store<u64>(keys + offset, previous);
  }
  return previous;
}

/** Keys before the end of a prompt, those of the parts before it included. */
function keyEnd(window: usize, prompt: u32, blockCount: u32): u32 {
  let before: u32 = 0;
  for (let part: u32 = 0; part < PART_PROMPT; part++) before += idCountOf(window, part);
  return min<u32>(before + promptEnd(window, prompt), blockCount);
}

/** Ids of the prompt part before the end of one of its prompts. */
function promptEnd(window: usize, prompt: u32): u32 {
  assert(prompt <= load<u32>(window, WINDOW_BREAK_COUNT));
  if (prompt == load<u32>(window, WINDOW_BREAK_COUNT)) return idCountOf(window, PART_PROMPT);
  return load<u16>(window + WINDOW_BREAKS + ((<usize>prompt) << 1));
}

function firstId(window: usize, part: u32): usize {
  return window + WINDOW_IDS + ((<usize>load<u32>(partRecord(window, part))) << 3);
}

/** Blocks of a part. */
export function idCountOf(window: usize, part: u32): u32 {
  return load<u32>(partRecord(window, part), 4);
}

function partRecord(window: usize, part: u32): usize {
  return window + WINDOW_PARTS + <usize>part * PART_STRIDE;
}

function clearDepths(shard: usize, candidateCount: u32): void {
  for (let position: u32 = 0; position < candidateCount; position++) {
    store<u16>(shard + DEPTHS + slotOffset(shard, position), 0);
  }
}

/** Adds what is matched of one prompt to what is matched of those before it. */
function addDepths(shard: usize, candidateCount: u32): void {
  for (let position: u32 = 0; position < candidateCount; position++) {
    const at = shard + slotOffset(shard, position);
    store<u16>(at, load<u16>(at, DEPTHS) + load<u16>(at, PROMPT_DEPTHS), DEPTHS);
  }
}

function slotOffset(shard: usize, position: u32): usize {
  return (<usize>load<u16>(shard + CANDIDATE_SLOTS + ((<usize>position) << 1))) << 1;
}
