import { describe, expect, it } from "vitest";
import { type PrefixCacheParameters, prefixCacheScorer } from "../../../../src/plugins/scorers/prefix-cache.ts";
import { BLOCK_SIZE, endpoint, type TestFleet, testFleet } from "../../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../../support/kernel.ts";
import { scorerProgram } from "../../../support/plugins.ts";
import { promptKeys, userText } from "../../../support/prompt-keys.ts";

/** The prompt of a user message that fills this many blocks. */
const promptOf = (blockCount: number): string => "p".repeat(blockCount * BLOCK_SIZE - userText("").length);

/** A fleet in which endpoint i holds the first `matched[i]` blocks of a prompt of `blockCount` blocks. */
function fleetHolding(
  build: KernelBuild,
  {
    matched,
    blockCount,
    parameters,
  }: { matched: number[]; blockCount: number; parameters?: Partial<PrefixCacheParameters> },
): { fleet: TestFleet; window: number } {
  const checked = prefixCacheScorer.parameters.parse(parameters ?? {});
  const scorers = [{ program: scorerProgram(prefixCacheScorer, checked), weight: 1 }];
  const fleet = testFleet(
    build,
    matched.map(() => endpoint()),
    scorers,
  );
  const keys = promptKeys({ prompt: userText(promptOf(blockCount)) }, BLOCK_SIZE);
  expect(keys).toHaveLength(blockCount);
  for (const [slot, held] of matched.entries()) fleet.hold(slot, keys.slice(0, held));
  return { fleet, window: fleet.scan(promptOf(blockCount)) };
}

// Worked out by hand from w × min(1, matched × 64 / scale)² + (1 − w) × matched / total: a block of 256 bytes has 64
// tokens.
const CASES: readonly {
  name: string;
  matched: number[];
  blockCount: number;
  parameters?: Partial<PrefixCacheParameters>;
  scores: number[];
}[] = [
  {
    name: "the score is the matched part of the prompt",
    matched: [0, 1, 2, 4],
    blockCount: 4,
    scores: [0, 0.25, 0.5, 1],
  },
  { name: "a prompt that nobody holds scores 0", matched: [0, 0], blockCount: 3, scores: [0, 0] },
  { name: "all may hold all of it", matched: [5, 5, 5], blockCount: 5, scores: [1, 1, 1] },
  {
    name: "with all the weight on length, half the scale scores a quarter",
    matched: [4, 8, 0],
    blockCount: 16,
    parameters: { matchLengthWeight: 1, matchLengthScaleTokens: 512 },
    scores: [0.25, 1, 0],
  },
  {
    name: "a match beyond the scale counts as the scale",
    matched: [16, 9, 8],
    blockCount: 16,
    parameters: { matchLengthWeight: 1, matchLengthScaleTokens: 512 },
    scores: [1, 1, 1],
  },
  {
    // 4 of 8 blocks: 0.5 × (256 / 1024)² + 0.5 × 4/8 = 0.03125 + 0.25. 8 of 8: 0.5 × (512 / 1024)² + 0.5 = 0.625.
    name: "half the weight on length adds the square of the length's share",
    matched: [4, 8],
    blockCount: 8,
    parameters: { matchLengthWeight: 0.5, matchLengthScaleTokens: 1024 },
    scores: [0.28125, 0.625],
  },
  {
    // 2 of 4 blocks at w = 0.25: 0.25 × (128 / 8192)² + 0.75 × 0.5.
    name: "the scale is 8192 tokens unless told otherwise",
    matched: [2],
    blockCount: 4,
    parameters: { matchLengthWeight: 0.25 },
    scores: [0.25 * 0.015625 ** 2 + 0.375],
  },
  {
    name: "without weight on length the scale does not matter",
    matched: [1, 2],
    blockCount: 2,
    parameters: { matchLengthScaleTokens: 1 },
    scores: [0.5, 1],
  },
];

describe.each(KERNEL_BUILDS)("prefix-cache-scorer (%s build)", (build) => {
  it.each(CASES)("$name", ({ scores, ...options }) => {
    const { fleet, window } = fleetHolding(build, options);
    // Only the score is looked at: the pick's own record makes later scores of the picked endpoint 1.
    expect(fleet.scores(window)).toEqual(scores);
  });

  it("a request without a prompt scores 0 everywhere", () => {
    const { fleet } = fleetHolding(build, { matched: [2, 0], blockCount: 2 });
    expect(fleet.scores()).toEqual([0, 0]);
  });

  it("a body whose prompt is empty scores 0 everywhere", () => {
    const { fleet } = fleetHolding(build, { matched: [2, 0], blockCount: 2 });
    const window = fleet.scanBody('{"model":"test-model","messages":[{"content":""}]}');
    expect(fleet.scores(window)).toEqual([0, 0]);
  });

  it("blocks in the middle of the prompt do not count without those before them", () => {
    const { fleet } = fleetHolding(build, { matched: [0, 0], blockCount: 4 });
    const keys = promptKeys({ prompt: userText(promptOf(4)) }, BLOCK_SIZE);
    fleet.hold(0, keys.slice(0, 1));
    fleet.hold(1, keys.slice(1));
    expect(fleet.scores(fleet.scan(promptOf(4)))).toEqual([0.25, 0]);
  });

  it("a prompt is compared block by block: one changed byte loses its block and all after it", () => {
    const { fleet } = fleetHolding(build, { matched: [4], blockCount: 4 });
    const changedAt = 2 * BLOCK_SIZE;
    const prompt = promptOf(4);
    const changed = `${prompt.slice(0, changedAt)}x${prompt.slice(changedAt + 1)}`;
    expect(fleet.scores(fleet.scan(changed))).toEqual([0.5]);
  });
});

describe("prefix-cache-scorer parameters", () => {
  it.each([
    { name: "nothing given", given: {}, expected: { matchLengthWeight: 0, matchLengthScaleTokens: 8192 } },
    {
      name: "both ends of the weight",
      given: { matchLengthWeight: 1, matchLengthScaleTokens: 0.5 },
      expected: { matchLengthWeight: 1, matchLengthScaleTokens: 0.5 },
    },
  ])("$name can be used", ({ given, expected }) => {
    expect(prefixCacheScorer.parameters.parse(given)).toEqual(expected);
  });

  it.each([
    { name: "a weight above 1", given: { matchLengthWeight: 1.01 }, at: "matchLengthWeight" },
    { name: "a negative weight", given: { matchLengthWeight: -0.1 }, at: "matchLengthWeight" },
    {
      name: "a scale of 0, which would divide by it",
      given: { matchLengthScaleTokens: 0 },
      at: "matchLengthScaleTokens",
    },
    { name: "a text", given: { matchLengthWeight: "1" }, at: "matchLengthWeight" },
  ])("$name is refused", ({ given, at }) => {
    expect(prefixCacheScorer.parameters.safeParse(given).error?.issues).toMatchObject([{ path: [at] }]);
  });

  it("an unknown parameter is refused by name", () => {
    const { error } = prefixCacheScorer.parameters.safeParse({ matchLengthwight: 1 });
    expect(error?.issues).toMatchObject([{ code: "unrecognized_keys", keys: ["matchLengthwight"] }]);
  });
});
