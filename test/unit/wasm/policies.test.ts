import { describe, expect, it, vi } from "vitest";
import { layout } from "../../../src/wasm/layout.ts";
import { PICKER_OPS, PolicyTable, SCORER_OPS } from "../../../src/wasm/policies.ts";
import { ShardMemory } from "../../../src/wasm/shard-memory.ts";
import { type PolicyChanges, testPolicy } from "../../support/fleet.ts";
import { KERNEL_BUILDS, testKernel } from "../../support/kernel.ts";

const scorer = { program: { op: SCORER_OPS.queueDepth }, weight: 1 };
const filter = { op: layout.FILTER_HEALTHY };
const program = testPolicy([scorer]);
const FULL_PROGRAM = { op: SCORER_OPS.noHitLru, parameters: [1, 2, 3, 4, 5, 6], mask: 31, column: 63, operand: 62 };
const profile = { filters: [filter], scorers: [scorer], picker: PICKER_OPS.random, targetsMax: 3 };

describe("policy table", () => {
  it("a policy becomes the active one when it is published, and its number is what requests keep", () => {
    const { memory, kernel } = testKernel(KERNEL_BUILDS[0]);
    const table = new PolicyTable(memory);
    const shard = new ShardMemory(memory, kernel, 0);
    for (const expected of [0, 1, 2]) {
      expect(table.publish(program)).toBe(expected);
      expect(shard.activePolicy).toBe(expected);
    }
  });

  it("numbers are used again after POLICIES_MAX policies", () => {
    const table = new PolicyTable(testKernel(KERNEL_BUILDS[0]).memory);
    const numbers = Array.from({ length: layout.POLICIES_MAX + 2 }, () => table.publish(program));
    expect(numbers).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0, 1]);
  });

  it("what belongs to a number is prepared before the number becomes active", () => {
    const { memory, kernel } = testKernel(KERNEL_BUILDS[0]);
    const table = new PolicyTable(memory);
    const shard = new ShardMemory(memory, kernel, 0);
    const seen: number[][] = [];
    for (let round = 0; round < 3; round++) {
      table.publish(program, (number) => {
        seen.push([number, shard.activePolicy]);
      });
    }
    expect(seen).toEqual([
      [0, 0],
      [1, 0],
      [2, 1],
    ]);
  });

  it("every field stands where the layout says", () => {
    const { memory, view } = testKernel(KERNEL_BUILDS[0]);
    const table = new PolicyTable(memory);
    table.publish(program);
    table.publish({
      blockSize: 512,
      blocksMax: 7,
      tokenSize: 3,
      staleMs: 9,
      outputRatio: 1.5,
      outputTokensMax: Number.POSITIVE_INFINITY,
      imageTokenPixels: 2 ** 32 - 1,
      imageTokens: 17,
      videoTokens: layout.ASSET_TOKENS_MAX,
      detector: { op: layout.DETECTOR_CONCURRENCY, parameters: [100, 1e6] },
      profiles: [profile, { ...profile, scorers: [scorer, { program: FULL_PROGRAM, weight: -2.5 }] }],
    });
    const base = layout.POLICIES + layout.POLICY_STRIDE;
    const u32s = (from: number, offsets: readonly number[]): number[] =>
      offsets.map((offset) => view.getUint32(from + offset, true));
    expect(
      u32s(base, [
        layout.POLICY_BLOCK_SIZE,
        layout.POLICY_BLOCKS_MAX,
        layout.POLICY_TOKEN_SIZE,
        layout.POLICY_STALE_MS,
        layout.POLICY_OUTPUT_TOKENS_MAX,
        layout.POLICY_PROFILE_COUNT,
        layout.POLICY_FLAGS,
        layout.POLICY_IMAGE_TOKEN_PIXELS,
        layout.POLICY_IMAGE_TOKENS,
        layout.POLICY_VIDEO_TOKENS,
      ]),
    ).toEqual([
      ...[512, 7, 3, 9, 2 ** 32 - 1, 2, layout.POLICY_NOTES_COLD_PICKS],
      ...[2 ** 32 - 1, 17, layout.ASSET_TOKENS_MAX],
    ]);
    expect(view.getFloat64(base + layout.POLICY_OUTPUT_RATIO, true)).toBe(1.5);
    expect(u32s(base + layout.POLICY_DETECTOR, [layout.PROGRAM_OP])).toEqual([layout.DETECTOR_CONCURRENCY]);
    const second = base + layout.POLICY_PROFILES + layout.PROFILE_STRIDE;
    expect(
      u32s(second, [
        layout.PROFILE_PICKER,
        layout.PROFILE_TARGETS_MAX,
        layout.PROFILE_FILTER_COUNT,
        layout.PROFILE_SCORER_COUNT,
        layout.PROFILE_FILTERS + layout.PROGRAM_OP,
      ]),
    ).toEqual([layout.PICKER_RANDOM, 3, 1, 2, layout.FILTER_HEALTHY]);
    const last = second + layout.PROFILE_SCORERS + layout.PROGRAM_STRIDE;
    expect(u32s(last, [layout.PROGRAM_OP, layout.PROGRAM_MASK, layout.PROGRAM_COLUMN, layout.PROGRAM_OPERAND])).toEqual(
      [layout.SCORER_NO_HIT_LRU, 31, 63, 62],
    );
    const numbers = [0, 1, 2, 3, 4, 5].map((index) =>
      view.getFloat64(last + layout.PROGRAM_PARAMETERS + index * 8, true),
    );
    expect([view.getFloat64(last + layout.PROGRAM_WEIGHT, true), ...numbers]).toEqual([-2.5, 1, 2, 3, 4, 5, 6]);
  });

  it("nothing of the policy that had the number before is left", () => {
    const { memory, bytes } = testKernel(KERNEL_BUILDS[0]);
    const table = new PolicyTable(memory);
    const record = (): Uint8Array => bytes.slice(layout.POLICIES, layout.POLICIES + layout.POLICY_PROFILES);
    table.publish(program);
    const fresh = record();
    table.publish({ ...program, detector: FULL_PROGRAM, outputRatio: 3 });
    for (let number = 2; number < layout.POLICIES_MAX; number++) table.publish(program);
    table.publish({ ...program, detector: FULL_PROGRAM, outputRatio: 3 });
    expect(record()).not.toEqual(fresh);
    for (let number = 1; number < layout.POLICIES_MAX; number++) table.publish(program);
    expect(table.publish(program)).toBe(0);
    expect(record()).toEqual(fresh);
  });

  it.each<{ name: string; changes: PolicyChanges }>([
    {
      name: "the smallest of all",
      changes: { blockSize: 64, blocksMax: 1, tokenSize: 1, imageTokens: 1, videoTokens: 1 },
    },
    {
      name: "the largest of all",
      changes: {
        blockSize: layout.BLOCK_SIZE_MAX,
        blocksMax: layout.BLOCKS_MAX,
        imageTokenPixels: 2 ** 32 - 1,
        imageTokens: layout.ASSET_TOKENS_MAX,
        videoTokens: layout.ASSET_TOKENS_MAX,
        profiles: Array.from({ length: layout.PROFILES_MAX }, () => ({
          filters: Array.from({ length: layout.FILTERS_MAX }, () => filter),
          scorers: Array.from({ length: layout.SCORERS_MAX }, () => scorer),
          picker: PICKER_OPS.weightedRandom,
          targetsMax: layout.TARGETS_MAX,
        })),
      },
    },
  ])("$name can be published", ({ changes }) => {
    const table = new PolicyTable(testKernel(KERNEL_BUILDS[0]).memory);
    expect(table.publish(testPolicy([], changes))).toBe(0);
  });

  it.each<{ name: string; changes: PolicyChanges; message: string }>([
    { name: "too small a block", changes: { blockSize: 60 }, message: "block size 60" },
    { name: "too large a block", changes: { blockSize: layout.BLOCK_SIZE_MAX + 4 }, message: "block size 4100" },
    { name: "a block of a part of a token", changes: { blockSize: 258 }, message: "block size 258" },
    { name: "no blocks", changes: { blocksMax: 0 }, message: "blocksMax 0" },
    { name: "too many blocks", changes: { blocksMax: layout.BLOCKS_MAX + 1 }, message: "blocksMax 2049" },
    { name: "tokens of no bytes", changes: { tokenSize: 0 }, message: "token size 0" },
    { name: "a negative output ratio", changes: { outputRatio: -1 }, message: "output ratio -1" },
    { name: "a part of a pixel", changes: { imageTokenPixels: 0.5 }, message: "imageTokenPixels 0.5" },
    { name: "more pixels than are written", changes: { imageTokenPixels: 2 ** 32 }, message: "imageTokenPixels" },
    { name: "an image of no tokens", changes: { imageTokens: 0 }, message: "an image of 0 tokens" },
    { name: "an image of too many tokens", changes: { imageTokens: 16_385 }, message: "an image of 16385 tokens" },
    { name: "a video of no tokens", changes: { videoTokens: 0 }, message: "a video of 0 tokens" },
    { name: "a video of a part of a token", changes: { videoTokens: 1.5 }, message: "a video of 1.5 tokens" },
    { name: "no profiles", changes: { profiles: [] }, message: "0 profiles" },
    { name: "too many profiles", changes: { profiles: Array(9).fill(profile) }, message: "9 profiles" },
    { name: "no targets", changes: { targetsMax: 0 }, message: "targetsMax 0" },
    { name: "too many targets", changes: { targetsMax: layout.TARGETS_MAX + 1 }, message: "targetsMax 17" },
    { name: "too many filters", changes: { filters: Array(17).fill(filter) }, message: "17 filters" },
    { name: "too many scorers", changes: { scorers: Array(17).fill(scorer) }, message: "17 scorers" },
    {
      name: "a weight that is no number",
      changes: { scorers: [{ ...scorer, weight: Number.NaN }] },
      message: "weight NaN",
    },
    { name: "too many parameters", changes: { filters: [{ op: 1, parameters: Array(7).fill(0) }] }, message: "7 par" },
    { name: "a NaN parameter", changes: { filters: [{ op: 1, parameters: [Number.NaN] }] }, message: "NaN" },
    { name: "a mask that is none", changes: { filters: [{ op: 1, mask: 32 }] }, message: "mask 32" },
    { name: "a column that is none", changes: { detector: { op: 1, column: 64 } }, message: "column 64" },
    { name: "an operand that is none", changes: { filters: [{ op: 1, operand: -1 }] }, message: "operand -1" },
  ])("$name is a programmer's error, and the active policy stays", ({ changes, message }) => {
    const { memory, kernel } = testKernel(KERNEL_BUILDS[0]);
    const table = new PolicyTable(memory);
    table.publish(program);
    table.publish(program);
    const { scorers = [], ...others } = changes;
    expect(() => table.publish(testPolicy(scorers, others))).toThrow(message);
    expect(new ShardMemory(memory, kernel, 0).activePolicy).toBe(1);
    expect(table.publish(program)).toBe(2);
  });
});

describe("policies that requests hold", () => {
  function setUp(): { table: PolicyTable; shards: ShardMemory[]; reset: (shard: number) => void } {
    const { memory, kernel } = testKernel(KERNEL_BUILDS[0], { shardCount: 2 });
    const shards = [0, 1].map((shard) => new ShardMemory(memory, kernel, shard));
    return { table: new PolicyTable(memory), shards, reset: (shard) => kernel.resetShard(shard) };
  }

  it("keep their number until the last request of any shard has returned it", () => {
    const { table, shards } = setUp();
    table.publish(program);
    const held = shards.map((shard) => shard.holdPolicy());
    expect(held).toEqual([0, 0]);
    for (let number = 1; number < layout.POLICIES_MAX; number++) expect(table.publish(program)).toBe(number);
    expect(table.publish(program)).toBe(1);
    shards[0]?.releasePolicy(0);
    for (const expected of [2, 3, 4, 5, 6, 7, 1]) expect(table.publish(program)).toBe(expected);
    shards[1]?.releasePolicy(0);
    for (const expected of [2, 3, 4, 5, 6, 7, 0]) expect(table.publish(program)).toBe(expected);
  });

  it("leave nothing to publish under when all are held, until one is returned", () => {
    const { table, shards } = setUp();
    for (let number = 0; number < layout.POLICIES_MAX; number++) {
      table.publish(program);
      expect(shards[number % 2]?.holdPolicy()).toBe(number);
    }
    const prepared: number[] = [];
    expect(table.publish(program, (number) => prepared.push(number))).toBeUndefined();
    expect(shards[0]?.activePolicy).toBe(7);
    shards[1]?.releasePolicy(5);
    expect(table.publish(program, (number) => prepared.push(number))).toBe(5);
    expect(prepared).toEqual([5]);
  });

  it("are returned by the control thread when a shard has died", () => {
    const { table, shards, reset } = setUp();
    for (let number = 0; number < layout.POLICIES_MAX; number++) {
      table.publish(program);
      shards[0]?.holdPolicy();
    }
    expect(table.publish(program)).toBeUndefined();
    reset(0);
    expect(table.publish(program)).toBe(0);
  });

  it("are not held when another one became active between the look and the hold", () => {
    const { table, shards } = setUp();
    table.publish(program);
    // The control thread publishes just before the shard's hold of policy 0 counts.
    const add = vi.spyOn(Atomics, "add").mockImplementationOnce((...args: Parameters<typeof Atomics.add>) => {
      for (let number = 1; number < layout.POLICIES_MAX; number++) table.publish(program);
      return Atomics.add(...args);
    });
    expect(shards[0]?.holdPolicy()).toBe(7);
    expect(add).toHaveBeenCalledTimes(3);
    add.mockRestore();
    // Policy 0 is held by nobody, policy 7 is.
    for (const expected of [0, 1, 2, 3, 4, 5, 6, 0]) expect(table.publish(program)).toBe(expected);
  });

  it("cannot be returned by who does not hold them", () => {
    const { table, shards } = setUp();
    table.publish(program);
    shards[0]?.holdPolicy();
    expect(() => shards[1]?.releasePolicy(0)).toThrow("policy 0 is released but not held");
  });
});
