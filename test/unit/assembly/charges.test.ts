/** What a pick charges, for prompts of one part and of several, and how it is returned. */
import { describe, expect, it } from "vitest";
import { SharedCounters } from "../../../src/wasm/counters.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { BLOCK_SIZE, endpoint, type PolicyChanges, type TestFleet, testFleet } from "../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../support/kernel.ts";
import { promptKeys, userText } from "../../support/prompt-keys.ts";

const BLOCK_TOKENS = BLOCK_SIZE / 4;

function inFlight(fleet: TestFleet): { requests: number; tokens: number } {
  const counters = new SharedCounters(fleet.memory, fleet.kernel);
  return { requests: counters.inFlightRequests(0), tokens: counters.inFlightTokens(0) };
}

const fleetOf = (build: KernelBuild, policy: PolicyChanges = {}): TestFleet =>
  testFleet(build, [endpoint()], [], { policy });

/** A prompt of so many bytes with its role. */
const promptOf = (size: number): string => "p".repeat(size - userText("").length);

describe.each(KERNEL_BUILDS)("charged tokens (%s build)", (build) => {
  it.each([
    { name: "nothing held", size: 1_000, held: 0, tokens: 250 },
    { name: "one block held", size: 1_000, held: 1, tokens: 250 - BLOCK_TOKENS },
    { name: "all whole blocks held", size: 1_000, held: 3, tokens: 250 - 3 * BLOCK_TOKENS },
    { name: "the partial block held as well", size: 1_000, held: 4, tokens: 0 },
    { name: "an unfinished token counts as one", size: 1_001, held: 0, tokens: 251 },
    { name: "whole blocks only, all held", size: 512, held: 2, tokens: 0 },
  ])("$name: $tokens", ({ size, held, tokens }) => {
    const fleet = fleetOf(build);
    fleet.hold(0, promptKeys({ prompt: userText(promptOf(size)) }, BLOCK_SIZE).slice(0, held));
    expect(fleet.pick(fleet.scan(promptOf(size)))).toMatchObject({ matchedBlocks: held, tokens, promptTokens: tokens });
    expect(inFlight(fleet)).toEqual({ requests: 1, tokens });
  });

  it.each([
    // tools: 300 bytes in 2 blocks, messages: 1,000 bytes in 4.
    { held: 0, heldBytes: 0 },
    { held: 1, heldBytes: 256 },
    { held: 2, heldBytes: 300 },
    { held: 3, heldBytes: 556 },
    { held: 5, heldBytes: 300 + 768 },
    { held: 6, heldBytes: 1_300 },
  ])("the partial block of a part counts as what it is: $held blocks are $heldBytes bytes", ({ held, heldBytes }) => {
    const fleet = fleetOf(build);
    const tools = JSON.stringify([{ name: "t".repeat(300 - '[{"name":""}]'.length) }]);
    expect(tools).toHaveLength(300);
    const prompt = promptOf(1_000);
    const keys = promptKeys({ tools, prompt: userText(prompt) }, BLOCK_SIZE);
    expect(keys).toHaveLength(6);
    fleet.hold(0, keys.slice(0, held));
    const body = `{"model":"test-model","tools":${tools},"messages":[{"role":"user","content":"${prompt}"}]}`;
    const pick = fleet.pick(fleet.scanBody(body));
    expect(pick).toMatchObject({ matchedBlocks: held, tokens: Math.ceil((1_300 - heldBytes) / 4) });
  });

  it.each([
    { name: "no estimate", ratio: 0, max: 1_000, tokens: 250, output: 0 },
    { name: "1.5 per prompt token", ratio: 1.5, max: 1_000, tokens: 250, output: 375 },
    { name: "rounded", ratio: 0.5, max: 1_000, tokens: 250, output: 125 },
    { name: "up to its bound", ratio: 1.5, max: 100, tokens: 250, output: 100 },
    { name: "without a bound", ratio: 8, max: Number.POSITIVE_INFINITY, tokens: 250, output: 2_000 },
  ])("estimated output: $name", ({ ratio, max, tokens, output }) => {
    const fleet = fleetOf(build, { outputRatio: ratio, outputTokensMax: max });
    const pick = fleet.pick(fleet.scan(promptOf(1_000)));
    expect(pick).toMatchObject({ promptTokens: tokens, tokens: tokens + output });
  });

  it("the estimate is of the whole prompt, also of what the endpoint holds", () => {
    const fleet = fleetOf(build, { outputRatio: 1, outputTokensMax: 1_000 });
    fleet.hold(0, promptKeys({ prompt: userText(promptOf(1_000)) }, BLOCK_SIZE));
    expect(fleet.pick(fleet.scan(promptOf(1_000)))).toMatchObject({ promptTokens: 0, tokens: 250 });
  });

  it("a request without a body charges a request and no tokens", () => {
    const fleet = fleetOf(build, { outputRatio: 1, outputTokensMax: 1_000 });
    expect(fleet.pick()).toMatchObject({ promptTokens: 0, tokens: 0 });
    expect(inFlight(fleet)).toEqual({ requests: 1, tokens: 0 });
  });
});

describe.each(KERNEL_BUILDS)("returned charges (%s build)", (build) => {
  it("the prompt's tokens may go first, and the rest at the end", () => {
    const fleet = fleetOf(build, { outputRatio: 1, outputTokensMax: 40 });
    const [shard] = fleet.shards;
    const pick = fleet.pick(fleet.scan(promptOf(1_000)));
    if (pick === undefined || shard === undefined) throw new Error("nothing was picked");
    expect(inFlight(fleet)).toEqual({ requests: 1, tokens: 290 });
    shard.releaseTokens(pick);
    expect(inFlight(fleet)).toEqual({ requests: 1, tokens: 40 });
    shard.release(pick);
    expect(inFlight(fleet)).toEqual({ requests: 0, tokens: 0 });
  });

  it("cannot be returned twice, in whole or in part", () => {
    const fleet = fleetOf(build);
    const [shard] = fleet.shards;
    const pick = fleet.pick(fleet.scan(promptOf(1_000)));
    if (pick === undefined || shard === undefined) throw new Error("nothing was picked");
    shard.releaseTokens(pick);
    expect(() => shard.releaseTokens(pick)).toThrow("returned twice");
    shard.release(pick);
    expect(() => shard.release(pick)).toThrow("unreachable");
  });

  it("a shard that died returns all it had charged", () => {
    const fleet = fleetOf(build, { outputRatio: 1, outputTokensMax: 40 });
    fleet.pick(fleet.scan(promptOf(1_000)));
    fleet.kernel.resetShard(0);
    expect(inFlight(fleet)).toEqual({ requests: 0, tokens: 0 });
  });
});

describe.each(KERNEL_BUILDS)("counted requests (%s build)", (build) => {
  it("a further profile of a request charges, and does not count as another request", () => {
    const fleet = fleetOf(build);
    const window = fleet.scan(promptOf(1_000));
    fleet.decide([fleet.request(window), { ...fleet.request(window), countsRequest: false }]);
    const counters = new SharedCounters(fleet.memory, fleet.kernel);
    expect(counters.shards(layout.SHARD_COUNTER_PICKS)).toBe(1);
    expect(counters.shards(layout.SHARD_COUNTER_PROMPT_BLOCKS)).toBe(4);
    expect(counters.shards(layout.SHARD_COUNTER_MATCHED_BLOCKS)).toBe(0);
    expect(counters.nameRequests(0)).toBe(1);
    expect(counters.inFlightRequests(0)).toBe(2);
  });
});

describe.each(KERNEL_BUILDS)("recorded prompts (%s build)", (build) => {
  it.each([
    { recordsPrompt: undefined, matched: 4 },
    { recordsPrompt: true, matched: 4 },
    { recordsPrompt: false, matched: 0 },
  ])("recordsPrompt $recordsPrompt: the next one matches $matched blocks", ({ recordsPrompt, matched }) => {
    const fleet = fleetOf(build);
    const [first, second] = [fleet.scan(promptOf(1_000)), fleet.scan(promptOf(1_000))];
    const picks = fleet.decide([{ ...fleet.request(first), recordsPrompt }, fleet.request(second)]);
    expect(picks[1]?.matchedBlocks).toBe(matched);
    // Charged in any case.
    expect(picks[0]?.tokens).toBe(250);
  });
});
