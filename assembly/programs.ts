/** Fields of a policy's programs and of the request in hand, as filters and scorers ask for them. */
import {
  ATTRIBUTE_STRIDE,
  ATTRIBUTES,
  LABEL_MASKS,
  LABEL_MASKS_MAX,
  MASK_SIZE,
  NO_WINDOW,
  PICK_FLAGS,
  PICK_HAS_REQUEST_MASK,
  PICK_POLICY,
  PICK_PROFILE,
  PICK_REQUEST_MASKS,
  PICK_SEED_HIGH,
  PICK_SEED_LOW,
  PICK_WINDOW,
  POLICY_PROFILE_COUNT,
  POLICY_PROFILES,
  PROFILE_STRIDE,
  PROGRAM_COLUMN,
  PROGRAM_MASK,
  PROGRAM_OPERAND,
  PROGRAM_PARAMETERS,
  REQUEST_MASKS_MAX,
} from "./layout";
import { policyBase, windowBase } from "./memory";

export function policyOf(pick: usize): usize {
  return policyBase(load<u32>(pick + PICK_POLICY));
}

/** The profile that the pick runs. */
export function profileOf(pick: usize): usize {
  const policy = policyOf(pick);
  const number = load<u32>(pick + PICK_PROFILE);
  // Not an assert: a profile that does not exist must not be read in the release build either.
  if (number >= load<u32>(policy + POLICY_PROFILE_COUNT)) unreachable();
  return policy + POLICY_PROFILES + <usize>number * PROFILE_STRIDE;
}

/** Window of the request's body, 0 for a request without one. */
export function windowOf(shard: usize, pick: usize): usize {
  const number = load<u32>(pick + PICK_WINDOW);
  return number == NO_WINDOW ? 0 : windowBase(shard, number);
}

export function seedOf(pick: usize): u64 {
  return ((<u64>load<u32>(pick + PICK_SEED_HIGH)) << 32) | <u64>load<u32>(pick + PICK_SEED_LOW);
}

export function parameter(program: usize, number: u32): f64 {
  return load<f64>(program + PROGRAM_PARAMETERS + ((<usize>number) << 3));
}

/** The label mask that a program names. */
export function labelMask(pick: usize, program: usize): usize {
  const number = load<u32>(pick + PICK_POLICY) * LABEL_MASKS_MAX + load<u32>(program + PROGRAM_MASK);
  return <usize>LABEL_MASKS + <usize>number * MASK_SIZE;
}

/** The mask that a program asks of the request, 0 when the request has none. */
export function requestMask(pick: usize, program: usize): usize {
  const number = load<u32>(program + PROGRAM_MASK);
  assert(number < REQUEST_MASKS_MAX);
  if ((load<u32>(pick + PICK_FLAGS) & (PICK_HAS_REQUEST_MASK << number)) == 0) return 0;
  return pick + PICK_REQUEST_MASKS + <usize>number * MASK_SIZE;
}

/** A slot's number in the attribute column that a program names; NaN while unknown. */
export function attributeOf(program: usize, slot: u32): f64 {
  return attribute(load<u32>(program + PROGRAM_COLUMN), slot);
}

/** The same of the second column that it names. */
export function secondAttributeOf(program: usize, slot: u32): f64 {
  return attribute(load<u32>(program + PROGRAM_OPERAND), slot);
}

function attribute(column: u32, slot: u32): f64 {
  return reinterpret<f64>(atomic.load<u64>(attributeAddress(column, slot)));
}

/** Writes one number of an attribute column, from any thread. */
export function setAttribute(column: u32, slot: u32, value: f64): void {
  atomic.store<u64>(attributeAddress(column, slot), reinterpret<u64>(value));
}

function attributeAddress(column: u32, slot: u32): usize {
  return <usize>ATTRIBUTES + <usize>column * ATTRIBUTE_STRIDE + ((<usize>slot) << 3);
}
