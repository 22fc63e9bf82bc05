/** A policy as the kernel reads it: what it may contain, and where each field stands. */
import { assert } from "../base/assert.ts";
import { layout } from "./layout.ts";
import type { KernelProgram, PolicyProgram, ProfileProgram } from "./policies.ts";

/** Asserts that the kernel can run the policy. */
export function checkPolicy(policy: PolicyProgram): void {
  const { blockSize, blocksMax, tokenSize, outputRatio, outputTokensMax, profiles } = policy;
  assert(blockSize >= 64 && blockSize <= layout.BLOCK_SIZE_MAX && blockSize % 4 === 0, `block size ${blockSize} bytes`);
  assert(blocksMax >= 1 && blocksMax <= layout.BLOCKS_MAX, `blocksMax ${blocksMax} is not in 1 … ${layout.BLOCKS_MAX}`);
  assert(tokenSize >= 1, `token size ${tokenSize} bytes`);
  assert(outputRatio >= 0 && Number.isFinite(outputRatio), `output ratio ${outputRatio}`);
  assert(outputTokensMax >= 0, `outputTokensMax ${outputTokensMax}`);
  assert(isU32(policy.imageTokenPixels), `imageTokenPixels ${policy.imageTokenPixels}`);
  checkAssetTokens(policy.imageTokens, "an image");
  checkAssetTokens(policy.videoTokens, "a video");
  assert(
    profiles.length >= 1 && profiles.length <= layout.PROFILES_MAX,
    `${profiles.length} profiles are not 1 … ${layout.PROFILES_MAX}`,
  );
  if (policy.detector !== undefined) checkProgram(policy.detector);
  for (const profile of profiles) checkProfile(profile);
}

function isU32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 2 ** 32;
}

function checkAssetTokens(tokens: number, what: string): void {
  assert(Number.isInteger(tokens) && tokens >= 1 && tokens <= layout.ASSET_TOKENS_MAX, `${what} of ${tokens} tokens`);
}

function checkProfile({ filters, scorers, targetsMax }: ProfileProgram): void {
  assert(
    targetsMax >= 1 && targetsMax <= layout.TARGETS_MAX,
    `targetsMax ${targetsMax} is not in 1 … ${layout.TARGETS_MAX}`,
  );
  assert(filters.length <= layout.FILTERS_MAX, `${filters.length} filters are more than ${layout.FILTERS_MAX}`);
  assert(scorers.length <= layout.SCORERS_MAX, `${scorers.length} scorers are more than ${layout.SCORERS_MAX}`);
  for (const filter of filters) checkProgram(filter);
  for (const { program, weight } of scorers) {
    assert(Number.isFinite(weight), `weight ${weight} is not finite`);
    checkProgram(program);
  }
}

function checkProgram({ op, parameters = [], mask = 0, column = 0, operand = 0 }: KernelProgram): void {
  assert(parameters.length <= layout.PARAMETERS_MAX, `operation ${op}: ${parameters.length} parameters`);
  for (const parameter of parameters) assert(!Number.isNaN(parameter), `operation ${op}: a parameter is NaN`);
  assert(mask >= 0 && mask < layout.LABEL_MASKS_MAX, `operation ${op}: mask ${mask}`);
  assert(column >= 0 && column < layout.ATTRIBUTES_MAX, `operation ${op}: column ${column}`);
  assert(operand >= 0 && operand < layout.ATTRIBUTES_MAX, `operation ${op}: operand ${operand}`);
}

/** Writes the whole record, whatever stood there. `view` begins at the first policy. */
export function writePolicy(view: DataView, base: number, policy: PolicyProgram): void {
  view.setUint32(base + layout.POLICY_BLOCK_SIZE, policy.blockSize, true);
  view.setUint32(base + layout.POLICY_BLOCKS_MAX, policy.blocksMax, true);
  view.setUint32(base + layout.POLICY_STALE_MS, policy.staleMs, true);
  view.setUint32(base + layout.POLICY_TOKEN_SIZE, policy.tokenSize, true);
  // The largest count of tokens there is stands for "no bound".
  view.setUint32(base + layout.POLICY_OUTPUT_TOKENS_MAX, Math.min(policy.outputTokensMax, 2 ** 32 - 1), true);
  view.setUint32(base + layout.POLICY_PROFILE_COUNT, policy.profiles.length, true);
  view.setUint32(base + layout.POLICY_FLAGS, notesColdPicks(policy) ? layout.POLICY_NOTES_COLD_PICKS : 0, true);
  view.setFloat64(base + layout.POLICY_OUTPUT_RATIO, policy.outputRatio, true);
  view.setUint32(base + layout.POLICY_IMAGE_TOKEN_PIXELS, policy.imageTokenPixels, true);
  view.setUint32(base + layout.POLICY_IMAGE_TOKENS, policy.imageTokens, true);
  view.setUint32(base + layout.POLICY_VIDEO_TOKENS, policy.videoTokens, true);
  writeProgram(view, base + layout.POLICY_DETECTOR, policy.detector ?? { op: 0 });
  for (const [number, profile] of policy.profiles.entries()) {
    writeProfile(view, base + layout.POLICY_PROFILES + number * layout.PROFILE_STRIDE, profile);
  }
}

/** Picks of all profiles count as used, also of those without that scorer. */
function notesColdPicks({ profiles }: PolicyProgram): boolean {
  return profiles.some(({ scorers }) => scorers.some(({ program }) => program.op === layout.SCORER_NO_HIT_LRU));
}

function writeProfile(view: DataView, base: number, profile: ProfileProgram): void {
  const { filters, scorers } = profile;
  view.setUint32(base + layout.PROFILE_PICKER, profile.picker, true);
  view.setUint32(base + layout.PROFILE_TARGETS_MAX, profile.targetsMax, true);
  view.setUint32(base + layout.PROFILE_FILTER_COUNT, filters.length, true);
  view.setUint32(base + layout.PROFILE_SCORER_COUNT, scorers.length, true);
  view.setUint32(base + layout.PROFILE_IS_STAGED, isStaged(profile) ? 1 : 0, true);
  for (const [index, filter] of filters.entries()) {
    writeProgram(view, base + layout.PROFILE_FILTERS + index * layout.PROGRAM_STRIDE, filter);
  }
  for (const [index, { program, weight }] of scorers.entries()) {
    writeProgram(view, base + layout.PROFILE_SCORERS + index * layout.PROGRAM_STRIDE, program, weight);
  }
}

function isStaged({ filters, scorers, picker }: ProfileProgram): boolean {
  if (picker === layout.PICKER_CUSTOM || filters.some(({ op }) => op === layout.FILTER_CUSTOM)) return true;
  return scorers.some(({ program }) => program.op === layout.SCORER_CUSTOM);
}

function writeProgram(view: DataView, at: number, program: KernelProgram, weight = 1): void {
  view.setUint32(at + layout.PROGRAM_OP, program.op, true);
  view.setUint32(at + layout.PROGRAM_MASK, program.mask ?? 0, true);
  view.setUint32(at + layout.PROGRAM_COLUMN, program.column ?? 0, true);
  view.setUint32(at + layout.PROGRAM_OPERAND, program.operand ?? 0, true);
  view.setFloat64(at + layout.PROGRAM_WEIGHT, weight, true);
  for (let index = 0; index < layout.PARAMETERS_MAX; index++) {
    view.setFloat64(at + layout.PROGRAM_PARAMETERS + index * 8, program.parameters?.[index] ?? 0, true);
  }
}
