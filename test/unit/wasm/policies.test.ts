import { describe, expect, it } from "vitest";
import { layout } from "../../../src/wasm/layout.ts";
import { PICKER_OPS, type PolicyProgram, PolicyTable, SCORER_OPS } from "../../../src/wasm/policies.ts";
import { ShardMemory } from "../../../src/wasm/shard-memory.ts";
import { KERNEL_BUILDS, testKernel } from "../../support/kernel.ts";

const program: PolicyProgram = {
  blockSize: 256,
  blocksMax: 2_048,
  tokenSize: 4,
  staleMs: 2_000,
  picker: PICKER_OPS.maxScore,
  targetsMax: 1,
  scorers: [{ program: { op: SCORER_OPS.prefixCache, parameters: [0.5, 8_192] }, weight: 3 }],
};
const scorer = { program: { op: SCORER_OPS.queueDepth }, weight: 1 };

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

  it("every field stands where the layout says", () => {
    const { memory, view } = testKernel(KERNEL_BUILDS[0]);
    const table = new PolicyTable(memory);
    table.publish(program);
    table.publish({ ...program, blockSize: 512, blocksMax: 7, tokenSize: 3, staleMs: 9, targetsMax: 4 });
    const base = layout.POLICIES + layout.POLICY_STRIDE;
    const fields = [
      layout.POLICY_BLOCK_SIZE,
      layout.POLICY_BLOCKS_MAX,
      layout.POLICY_TOKEN_SIZE,
      layout.POLICY_STALE_MS,
      layout.POLICY_PICKER,
      layout.POLICY_TARGETS_MAX,
      layout.POLICY_SCORER_COUNT,
    ].map((offset) => view.getUint32(base + offset, true));
    expect(fields).toEqual([512, 7, 3, 9, layout.PICKER_MAX_SCORE, 4, 1]);
    const first = base + layout.POLICY_SCORERS;
    expect(view.getUint32(first + layout.SCORER_OP, true)).toBe(layout.SCORER_PREFIX_CACHE);
    const numbers = [layout.SCORER_WEIGHT, layout.SCORER_PARAMETER0, layout.SCORER_PARAMETER1];
    expect(numbers.map((offset) => view.getFloat64(first + offset, true))).toEqual([3, 0.5, 8_192]);
  });

  it.each([
    { name: "the smallest of all", policy: { blockSize: 64, blocksMax: 1, tokenSize: 1, scorers: [] } },
    {
      name: "the largest of all",
      policy: {
        blockSize: layout.BLOCK_SIZE_MAX,
        blocksMax: layout.BLOCKS_MAX,
        targetsMax: layout.TARGETS_MAX,
        scorers: Array.from({ length: layout.SCORERS_MAX }, () => scorer),
      },
    },
  ])("$name can be published", ({ policy }) => {
    const table = new PolicyTable(testKernel(KERNEL_BUILDS[0]).memory);
    expect(table.publish({ ...program, ...policy })).toBe(0);
  });

  it.each<{ name: string; policy: Partial<PolicyProgram>; message: string }>([
    { name: "too small a block", policy: { blockSize: 60 }, message: "block size 60" },
    { name: "too large a block", policy: { blockSize: layout.BLOCK_SIZE_MAX + 4 }, message: "block size 4100" },
    { name: "a block of a part of a token", policy: { blockSize: 258 }, message: "block size 258" },
    { name: "no blocks", policy: { blocksMax: 0 }, message: "blocksMax 0" },
    { name: "too many blocks", policy: { blocksMax: layout.BLOCKS_MAX + 1 }, message: "blocksMax 2049" },
    { name: "tokens of no bytes", policy: { tokenSize: 0 }, message: "token size 0" },
    { name: "no targets", policy: { targetsMax: 0 }, message: "targetsMax 0" },
    { name: "too many targets", policy: { targetsMax: layout.TARGETS_MAX + 1 }, message: "targetsMax 17" },
    {
      name: "too many scorers",
      policy: { scorers: Array.from({ length: layout.SCORERS_MAX + 1 }, () => scorer) },
      message: "17 scorers",
    },
    {
      name: "a weight that is no number",
      policy: { scorers: [{ ...scorer, weight: Number.NaN }] },
      message: "weight NaN",
    },
  ])("$name is a programmer's error, and the active policy stays", ({ policy, message }) => {
    const { memory, kernel } = testKernel(KERNEL_BUILDS[0]);
    const table = new PolicyTable(memory);
    table.publish(program);
    table.publish(program);
    expect(() => table.publish({ ...program, ...policy })).toThrow(message);
    expect(new ShardMemory(memory, kernel, 0).activePolicy).toBe(1);
    expect(table.publish(program)).toBe(2);
  });
});
