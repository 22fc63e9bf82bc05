/**
 * The writer's side of refs: which ref stands for "these endpoints and one more" or "… and one fewer". One or two
 * holders stand in the ref itself, three or more are a set of the pool (`holder-sets.ts`).
 */
import { internDraft, releaseSet, retainSet, setHash, setHolderCount, slotHash } from "./holder-sets";
import { SET_DRAFT, SET_HOLDERS_MIN } from "./index-private";
import { MASK_SIZE, REF_ONE, REF_SET, REF_TWO } from "./layout";
import { setMask } from "./prefix-index";

/**
 * The ref for the holders of `ref` and `slot`: `ref` itself if that holds it already, 0 if the pool has no set for it.
 */
export function refWith(ref: u32, slot: u32): u32 {
  if (ref == 0) return oneHolder(slot);
  const tag = ref & 3;
  if (tag == REF_SET) {
    const set = ref >> 2;
    if (isInMask(setMask(set), slot)) return ref;
    memory.copy(SET_DRAFT, setMask(set), MASK_SIZE);
    flipInMask(SET_DRAFT, slot);
    return refOfDraft(setHash(set) ^ slotHash(slot), setHolderCount(set) + 1);
  }
  const first = firstHolder(ref);
  if (first == slot) return ref;
  if (tag == REF_ONE) return twoHolders(first, slot);
  const second = secondHolder(ref);
  if (second == slot) return ref;
  memory.fill(SET_DRAFT, 0, MASK_SIZE);
  flipInMask(SET_DRAFT, first);
  flipInMask(SET_DRAFT, second);
  flipInMask(SET_DRAFT, slot);
  return refOfDraft(slotHash(first) ^ slotHash(second) ^ slotHash(slot), 3);
}

/**
 * The ref for the holders of `ref` without `slot`: 0 if that leaves nobody, `ref` itself if it does not hold it. When
 * the pool has no set for the rest, all but its two lowest holders are left out: less is known then, but nothing wrong.
 */
export function refWithout(ref: u32, slot: u32): u32 {
  const tag = ref & 3;
  if (tag != REF_SET) {
    const first = firstHolder(ref);
    if (tag == REF_ONE) return first == slot ? 0 : ref;
    const second = secondHolder(ref);
    if (first == slot) return oneHolder(second);
    return second == slot ? oneHolder(first) : ref;
  }
  const set = ref >> 2;
  if (!isInMask(setMask(set), slot)) return ref;
  memory.copy(SET_DRAFT, setMask(set), MASK_SIZE);
  flipInMask(SET_DRAFT, slot);
  const holderCount = setHolderCount(set) - 1;
  if (holderCount < SET_HOLDERS_MIN) return lowestTwo(SET_DRAFT);
  const rest = internDraft(setHash(set) ^ slotHash(slot), holderCount, true);
  return rest != 0 ? setRef(rest) : lowestTwo(SET_DRAFT);
}

/** Counts one more key that names the ref. */
export function retainRef(ref: u32): void {
  if ((ref & 3) == REF_SET) retainSet(ref >> 2);
}

/** Counts one key fewer. Call it after the key's ref has been replaced in the table. */
export function releaseRef(ref: u32): void {
  if ((ref & 3) == REF_SET) releaseSet(ref >> 2);
}

/** The ref of the draft after an addition, 0 when the pool has no set for it. */
function refOfDraft(hash: u32, holderCount: u32): u32 {
  const set = internDraft(hash, holderCount, false);
  return set != 0 ? setRef(set) : 0;
}

function setRef(set: u32): u32 {
  return (set << 2) | REF_SET;
}

function oneHolder(slot: u32): u32 {
  return (slot << 2) | REF_ONE;
}

function twoHolders(left: u32, right: u32): u32 {
  return (min(left, right) << 2) | (max(left, right) << 12) | REF_TWO;
}

function lowestTwo(mask: usize): u32 {
  let at: usize = 0;
  while (load<u64>(mask + at) == 0) at += 8;
  let members = load<u64>(mask + at);
  const first = ((<u32>at) << 3) + <u32>ctz(members);
  members &= members - 1;
  while (members == 0) {
    at += 8;
    members = load<u64>(mask + at);
  }
  return twoHolders(first, ((<u32>at) << 3) + <u32>ctz(members));
}

/** The holder of a single, the lower of a pair. */
function firstHolder(ref: u32): u32 {
  return (ref >> 2) & 1023;
}

/** The higher holder of a pair. */
function secondHolder(ref: u32): u32 {
  return (ref >> 12) & 1023;
}

function isInMask(mask: usize, slot: u32): bool {
  return ((load<u64>(mask + ((<usize>(slot >> 6)) << 3)) >> (slot & 63)) & 1) != 0;
}

function flipInMask(mask: usize, slot: u32): void {
  const at = mask + ((<usize>(slot >> 6)) << 3);
  store<u64>(at, load<u64>(at) ^ ((<u64>1) << (slot & 63)));
}
