/**
 * Requests with several prompts: each is chained, matched and recorded by itself, and what is matched of them adds up.
 */
import { describe, expect, it } from "vitest";
import { prefixCacheScorer } from "../../../src/plugins/scorers/prefix-cache.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { BLOCK_SIZE, endpoint, type TestFleet, testFleet } from "../../support/fleet.ts";
import { KERNEL_BUILDS } from "../../support/kernel.ts";
import { scorerProgram } from "../../support/plugins.ts";
import { promptKeys } from "../../support/prompt-keys.ts";

const { API_OPENAI_COMPLETIONS, PROMPTS_MAX } = layout;

const scorer = scorerProgram(prefixCacheScorer, { matchLengthWeight: 0, matchLengthScaleTokens: 8_192 });
const completions = (prompt: unknown): string => JSON.stringify({ model: "test-model", prompt });
const blocks = (letter: string, count: number): string => letter.repeat(count * BLOCK_SIZE);

describe.each(KERNEL_BUILDS)("several prompts (%s build)", (build) => {
  const fleetOf = (endpointCount: number, options?: Parameters<typeof testFleet>[3]): TestFleet =>
    testFleet(
      build,
      Array.from({ length: endpointCount }, () => endpoint()),
      [{ program: scorer, weight: 1 }],
      options,
    );
  const scan = (fleet: TestFleet, prompt: unknown): number =>
    fleet.scanBody(completions(prompt), { api: API_OPENAI_COMPLETIONS });

  it("are chained from the root, each by itself", () => {
    const fleet = fleetOf(1);
    const prompts = [blocks("a", 2), "short", blocks("b", 1)];
    const expected = prompts.flatMap((prompt) => promptKeys({ prompt }, BLOCK_SIZE));
    expect(expected).toHaveLength(4);
    expect(fleet.keys(scan(fleet, prompts))).toEqual(expected);
  });

  it("begin at the root, but for the first one, which follows the parts before it", () => {
    const fleet = fleetOf(1);
    const window = scan(fleet, ["one", "two"]);
    const [one, two] = fleet.keys(window);
    // As if the body had tools: the ids of both prompts, then one of tools.
    const base = fleet.windowBase(0, window);
    fleet.view.setBigUint64(base + layout.WINDOW_IDS + 16, 7n, true);
    const tools = base + layout.WINDOW_PARTS + layout.PART_TOOLS * layout.PART_STRIDE;
    fleet.view.setUint32(tools, 2, true);
    fleet.view.setUint32(tools + 4, 1, true);
    const keys = fleet.keys(window);
    expect(keys).toHaveLength(3);
    expect(keys[1]).not.toBe(one);
    expect(keys[2]).toBe(two);
  });

  it("are matched each by itself, and the matches add up", () => {
    const [long, other, third] = [blocks("a", 3), blocks("b", 2), blocks("c", 1)];
    const holding = (): TestFleet => {
      const fleet = fleetOf(3);
      fleet.hold(0, promptKeys({ prompt: long }, BLOCK_SIZE).slice(0, 2));
      fleet.hold(1, promptKeys({ prompt: other }, BLOCK_SIZE));
      fleet.hold(1, promptKeys({ prompt: third }, BLOCK_SIZE));
      return fleet;
    };
    const [one, same] = [holding(), holding()];
    expect(one.scores(scan(one, [long, other, third]))).toEqual([2 / 6, 3 / 6, 0]);
    const tokens = (3 * BLOCK_SIZE) / 4;
    const picked = same.pick(scan(same, [long, other, third]));
    expect(picked).toMatchObject({ slot: 1, matchedBlocks: 3, blockCount: 6, tokens });
  });

  it.each([
    { prompts: [blocks("x", 1), blocks("b", 1)], score: 0 },
    { prompts: [blocks("b", 1), blocks("a", 1)], score: 1 / 2 },
    { prompts: [blocks("a", 1), blocks("a", 1) + blocks("b", 1)], score: 1 },
  ])("find only what an endpoint holds from a prompt's beginning: %$", ({ prompts, score }) => {
    const fleet = fleetOf(2);
    fleet.hold(0, promptKeys({ prompt: blocks("a", 1) + blocks("b", 1) }, BLOCK_SIZE));
    expect(fleet.scores(scan(fleet, prompts))).toEqual([score, 0]);
  });

  it("of an own pick are seen by the next one, prompt by prompt", () => {
    const fleet = fleetOf(2);
    const first = fleet.pick(scan(fleet, [blocks("a", 2), blocks("b", 2)]), { seed: 3 });
    const again = fleet.pick(scan(fleet, blocks("b", 2)));
    expect(again).toMatchObject({ slot: first?.slot, matchedBlocks: 2, blockCount: 2 });
    const mixed = fleet.pick(scan(fleet, [blocks("c", 1), blocks("b", 1), blocks("a", 2)]));
    expect(mixed).toMatchObject({ slot: first?.slot, matchedBlocks: 3, blockCount: 4 });
  });

  it("leave one record each in the ring to the index writer", () => {
    const fleet = fleetOf(1);
    const prompts = [blocks("a", 2), "", "short"];
    fleet.pick(scan(fleet, prompts));
    const ring = fleet.shardBase(0) + layout.SHARD_RING;
    const record = (at: number): bigint[] =>
      Array.from({ length: fleet.view.getUint32(ring + at + layout.RING_RECORD_KEY_COUNT, true) }, (_, index) =>
        fleet.view.getBigUint64(ring + at + layout.RING_RECORD_KEYS + index * 8, true),
      );
    const end = fleet.view.getUint32(fleet.shardBase(0) + layout.SHARD_RING_HEAD, true);
    const first = fleet.view.getUint32(ring + layout.RING_RECORD_SIZE, true);
    expect([record(0), record(first)]).toEqual([
      promptKeys({ prompt: prompts[0] ?? "" }, BLOCK_SIZE),
      promptKeys({ prompt: "short" }, BLOCK_SIZE),
    ]);
    expect(end).toBe(first + layout.RING_RECORD_KEYS + 8);
  });

  it(`beyond ${PROMPTS_MAX} count as tokens and are matched with nothing`, () => {
    const fleet = fleetOf(1);
    const prompts = Array.from({ length: PROMPTS_MAX + 6 }, (_, index) =>
      `prompt ${index} `.padEnd(BLOCK_SIZE + 4, "."),
    );
    const window = scan(fleet, prompts);
    const expected = prompts.slice(0, PROMPTS_MAX).flatMap((prompt) => promptKeys({ prompt }, BLOCK_SIZE));
    expect(fleet.keys(window)).toEqual(expected);
    expect(fleet.pick(window)).toMatchObject({ blockCount: PROMPTS_MAX * 2 });
    const size = prompts.length * (BLOCK_SIZE + 4);
    expect(fleet.view.getUint32(fleet.windowBase(0, window) + layout.WINDOW_PROMPT_SIZE, true)).toBe(size);
    expect(fleet.view.getUint32(fleet.windowBase(0, window) + layout.WINDOW_BLOCKS_BEYOND, true)).toBe(6 * 2);
  });

  it("are cut off together at the policy's number of blocks", () => {
    const fleet = fleetOf(1, { policy: { blocksMax: 3 } });
    const prompts = [blocks("a", 2), blocks("b", 2), blocks("c", 2)];
    const expected = prompts
      .flatMap((prompt) => promptKeys({ prompt }, BLOCK_SIZE))
      .filter((_, index) => [0, 1, 2].includes(index));
    const window = scan(fleet, prompts);
    expect(fleet.keys(window)).toEqual(expected);
    const first = fleet.pick(window);
    expect(fleet.pick(window)).toMatchObject({ slot: first?.slot, matchedBlocks: 3, blockCount: 3 });
  });

  it("of a field that comes again replace those that came before", () => {
    const fleet = fleetOf(1);
    for (const count of [3, PROMPTS_MAX + 6]) {
      const before = JSON.stringify(Array.from({ length: count }, (_, index) => `${index}`));
      const body = `{"model":"test-model","prompt":${before},"prompt":["d","e"]}`;
      const window = fleet.scanBody(body, { api: API_OPENAI_COMPLETIONS });
      expect(fleet.keys(window)).toEqual(["d", "e"].flatMap((prompt) => promptKeys({ prompt }, BLOCK_SIZE)));
    }
  });
});
