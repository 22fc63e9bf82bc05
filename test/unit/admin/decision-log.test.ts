import { describe, expect, it } from "vitest";
import { type DecisionNames, formatDecision } from "../../../src/admin/decision-log.ts";
import type { DecisionRecord } from "../../../src/director/context.ts";
import type { Pick } from "../../../src/wasm/shard-memory.ts";

const NAMES: DecisionNames = {
  endpointName: (slot) => `sim-${slot}`,
  scorers: [
    { name: "queue", weight: 2 },
    { name: "kv", weight: 2 },
    { name: "prefix", weight: 3 },
  ],
};

const PICK: Pick = {
  kind: "picked",
  slot: 2,
  generation: 1,
  hostPort: "127.0.0.1:18002",
  targets: ["127.0.0.1:18002"],
  matchedBlocks: 62,
  blockCount: 63,
  poolCount: 5,
  candidateCount: 4,
  tieCount: 1,
  tokens: 64,
  promptTokens: 64,
  arePromptTokensReturned: false,
  total: 6.9123,
  scores: [1, 0.98, 0.984],
  nameNumber: 1,
};

const RECORD: DecisionRecord = {
  requestId: "5f2c",
  model: "sim",
  pick: PICK,
  policy: 0,
  profile: 0,
  batchSize: 1,
  decisionMs: 0.0032,
  pickMs: 0.0413,
  requestMs: 1.5,
};

const line = (changes: Partial<DecisionRecord> = {}, pick: Partial<Pick> = {}, names: DecisionNames = NAMES): string =>
  formatDecision({ ...RECORD, ...changes, pick: { ...PICK, ...pick } }, names);

/** The part of the line that says why. */
const reason = (pick: Partial<Pick>): string | undefined => line({}, pick).split(" | ")[1];

describe("decision log", () => {
  it("says in one line who was picked, why, from how many, how quickly and for whom", () => {
    expect(line()).toBe(
      "sim-2 127.0.0.1:18002 | holds 62 of 63 prompt blocks | " +
        "queue 1.00 × 2 + kv 0.98 × 2 + prefix 0.98 × 3 = 6.91 | best of 4 | " +
        "picked in 0.041 ms (kernel 3.2 µs, batch of 1) | model sim, request 5f2c",
    );
  });

  it.each([
    { pick: { matchedBlocks: 1, blockCount: 9 }, words: "holds 1 of 9 prompt blocks" },
    { pick: { matchedBlocks: 1, blockCount: 9, tieCount: 3 }, words: "holds 1 of 9 prompt blocks" },
    { pick: { matchedBlocks: 0, blockCount: 9 }, words: "prompt of 9 blocks is new to it; least loaded" },
    {
      pick: { matchedBlocks: 0, blockCount: 9, tieCount: 3 },
      words: "prompt of 9 blocks is new to it; drawn from 3 equal ones",
    },
    { pick: { matchedBlocks: 0, blockCount: 0 }, words: "no prompt; least loaded" },
    { pick: { matchedBlocks: 0, blockCount: 0, tieCount: 4 }, words: "no prompt; drawn from 4 equal ones" },
  ])("the reason of $pick is: $words", ({ pick, words }) => {
    expect(reason(pick)).toBe(words);
  });

  it("a request without a model says so", () => {
    expect(line({ model: undefined })).toMatch(/\| model none, request 5f2c$/);
  });

  it("a slot whose endpoint is gone is named by the caller", () => {
    expect(line({}, { slot: 7 }, { ...NAMES, endpointName: (slot) => `slot ${slot}` })).toMatch(/^slot 7 127\.0\.0\.1/);
  });

  it.each([
    { name: "a line break", model: "a\nsim-0 10.0.0.1:1 | forged", shown: "a\\u000asim-0 10.0.0.1:1 | forged" },
    { name: "a carriage return", model: "a\rb", shown: "a\\u000db" },
    { name: "a terminal's escape", model: "\u001B[31mred", shown: "\\u001b[31mred" },
    { name: "a Unicode line separator", model: "a\u2028b", shown: "a\\u2028b" },
    { name: "other writing, which stays", model: "größe 模型 😀", shown: "größe 模型 😀" },
  ])("a client's model name cannot begin a line of its own: $name", ({ model, shown }) => {
    expect(line({ model, requestId: model })).toMatch(`model ${shown}, request ${shown}`);
    expect(line({ model })).not.toMatch(/[\n\r\u001B\u2028]/);
  });
});
