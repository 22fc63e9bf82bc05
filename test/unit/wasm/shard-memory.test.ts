import { describe, expect, it } from "vitest";
import { layout } from "../../../src/wasm/layout.ts";
import { PolicyTable } from "../../../src/wasm/policies.ts";
import type { ShardMemory } from "../../../src/wasm/shard-memory.ts";
import {
  BLOCK_SIZE,
  endpoint,
  type PolicyChanges,
  type TestFleet,
  testFleet,
  testPolicy,
} from "../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../support/kernel.ts";
import { promptKeys, userText } from "../../support/prompt-keys.ts";

const WINDOWS = 4;

function setUp(build: KernelBuild): { fleet: TestFleet; shard: ShardMemory } {
  const fleet = testFleet(build, [endpoint()], [], { shape: { streamWindowCount: WINDOWS } });
  const [shard] = fleet.shards;
  if (shard === undefined) throw new Error("a fleet has a shard");
  return { fleet, shard };
}

const acquire = (shard: ShardMemory): number | undefined => shard.acquireWindow(layout.API_OPENAI_CHAT, 0);
const chat = (content: string, fields: object = {}): string =>
  JSON.stringify({ model: "test-model", messages: [{ role: "user", content }], ...fields });

describe.each(KERNEL_BUILDS)("stream windows (%s build)", (build) => {
  it("each window is taken once; when all are taken there is none, until one is released", () => {
    const { shard } = setUp(build);
    const taken = Array.from({ length: WINDOWS }, () => acquire(shard));
    expect(taken.toSorted()).toEqual([0, 1, 2, 3]);
    expect(acquire(shard)).toBeUndefined();
    shard.releaseWindow(2);
    expect(acquire(shard)).toBe(2);
    expect(acquire(shard)).toBeUndefined();
  });

  it("a window that is not taken cannot be released", () => {
    const { shard } = setUp(build);
    const window = acquire(shard) ?? -1;
    shard.releaseWindow(window);
    expect(() => shard.releaseWindow(window)).toThrow(`window ${window} is released but not taken`);
    expect(() => shard.releaseWindow(WINDOWS)).toThrow("released but not taken");
    const again = Array.from({ length: WINDOWS }, () => acquire(shard));
    expect(new Set(again).size).toBe(WINDOWS);
  });

  it("images and videos count as the policy of the window says, also when another one has become active", () => {
    const { fleet, shard } = setUp(build);
    const table = new PolicyTable(fleet.memory);
    const publish = (changes: PolicyChanges): number => table.publish(testPolicy([], changes)) ?? -1;
    const body = Buffer.from(
      JSON.stringify({ messages: [{ content: [{ image_url: { url: "i" } }, { video_url: { url: "v" } }] }] }),
    );
    const first = publish({ imageTokens: 70, videoTokens: 500 });
    const early = shard.acquireWindow(layout.API_OPENAI_CHAT, first) ?? -1;
    expect(shard.feed(early, body.subarray(0, 30), false)).toBeUndefined();
    const second = publish({ imageTokens: 3, videoTokens: 4 });
    const told = shard.acquireWindow(layout.API_OPENAI_CHAT, first, 9) ?? -1;
    const late = shard.acquireWindow(layout.API_OPENAI_CHAT, second) ?? -1;
    expect(shard.feed(late, body, true)).toBeUndefined();
    expect(shard.feed(told, body, true)).toBeUndefined();
    expect(shard.feed(early, body.subarray(30), true)).toBeUndefined();
    const tokens = [
      shard.promptTokens(early, first),
      shard.promptTokens(told, first),
      shard.promptTokens(late, second),
    ];
    expect(tokens).toEqual([570, 79, 7]);
  });

  it.each([0, -1, 16_385, Number.NaN])("a body whose videos have %d tokens each takes no window", (videoTokens) => {
    const { shard } = setUp(build);
    const take = (): unknown => shard.acquireWindow(layout.API_OPENAI_CHAT, 0, videoTokens);
    expect(take).toThrow(`a video of ${videoTokens} tokens`);
    expect(Array.from({ length: WINDOWS }, () => acquire(shard)).toSorted()).toEqual([0, 1, 2, 3]);
  });

  it("bodies that arrive at the same time do not disturb each other", () => {
    const { fleet, shard } = setUp(build);
    const bodies = ["a", "b", "c"].map((name) => Buffer.from(chat(name.repeat(2_000), { model: name })));
    const windows = bodies.map(() => acquire(shard) ?? -1);
    for (let at = 0; at < 2_200; at += 70) {
      for (const [index, body] of bodies.entries()) {
        const fault = shard.feed(windows[index] ?? -1, body.subarray(at, at + 70), at + 70 >= 2_200);
        expect(fault).toBeUndefined();
      }
    }
    for (const [index, name] of ["a", "b", "c"].entries()) {
      const window = windows[index] ?? -1;
      expect(shard.facts(window).model).toBe(name);
      expect(fleet.keys(window)).toEqual(promptKeys({ model: name, prompt: userText(name.repeat(2_000)) }, BLOCK_SIZE));
    }
  });

  it("a window can be used again after a fault, and remembers nothing of it", () => {
    const { fleet, shard } = setUp(build);
    const window = acquire(shard) ?? -1;
    const broken = `{"model":"broken","cache_salt":"old","tools":[1],"messages":[{"content":"${"x".repeat(900)}"}],,`;
    expect(shard.feed(window, Buffer.from(broken), false)).toEqual({
      result: layout.SCAN_NOT_JSON,
      offset: broken.length - 1,
    });
    shard.releaseWindow(window);
    const next = acquire(shard) ?? -1;
    expect(next).toBe(window);
    expect(shard.feed(next, Buffer.from(chat("hello")), true)).toBeUndefined();
    expect(shard.facts(next)).toMatchObject({ model: "test-model", messageCount: 1, isStream: false });
    expect(fleet.keys(next)).toEqual(promptKeys({ prompt: userText("hello") }, BLOCK_SIZE));
  });
});

describe.each(KERNEL_BUILDS)("feeding a body (%s build)", (build) => {
  it("a chunk larger than CHUNK_SIZE_MAX is scanned in pieces", () => {
    const { fleet, shard } = setUp(build);
    const content = "0123456789".repeat(Math.ceil((3 * layout.CHUNK_SIZE_MAX) / 10));
    const window = acquire(shard) ?? -1;
    expect(shard.feed(window, Buffer.from(chat(content)), true)).toBeUndefined();
    expect(fleet.keys(window)).toEqual(promptKeys({ prompt: userText(content) }, BLOCK_SIZE));
  });

  it.each([
    { name: "exactly as large as a chunk", size: layout.CHUNK_SIZE_MAX },
    { name: "one byte larger", size: layout.CHUNK_SIZE_MAX + 1 },
    { name: "exactly two chunks", size: 2 * layout.CHUNK_SIZE_MAX },
  ])("a body $name is read to its end", ({ size }) => {
    const { shard } = setUp(build);
    const body = chat("y".repeat(size - chat("").length));
    expect(body).toHaveLength(size);
    const window = acquire(shard) ?? -1;
    expect(shard.feed(window, Buffer.from(body), true)).toBeUndefined();
    expect(shard.facts(window).messageCount).toBe(1);
  });

  it("a fault in the first piece of a large chunk is told at its place, and the rest is not read", () => {
    const { shard } = setUp(build);
    const body = Buffer.concat([Buffer.from('{"model":nope'), Buffer.alloc(2 * layout.CHUNK_SIZE_MAX, " ")]);
    const window = acquire(shard) ?? -1;
    expect(shard.feed(window, body, true)).toEqual({ result: layout.SCAN_NOT_JSON, offset: 10 });
  });

  it("an empty chunk may come first, between and last", () => {
    const { shard } = setUp(build);
    const body = Buffer.from(chat("hello"));
    const none = Buffer.alloc(0);
    const window = acquire(shard) ?? -1;
    const pieces = [none, body.subarray(0, 20), none, body.subarray(20)];
    for (const piece of pieces) expect(shard.feed(window, piece, false)).toBeUndefined();
    expect(shard.feed(window, none, true)).toBeUndefined();
    expect(shard.facts(window).model).toBe("test-model");
  });

  it("a body that ends too early is a fault at its end", () => {
    const { shard } = setUp(build);
    const body = chat("hello").slice(0, -1);
    const window = acquire(shard) ?? -1;
    expect(shard.feed(window, Buffer.from(body), true)).toEqual({ result: layout.SCAN_CUT, offset: body.length });
  });

  it.each([
    {
      name: "all of them",
      body: chat("x", { stream: true, model: "größe" }),
      facts: { model: "größe", isStream: true, hasPrompt: true, messageCount: 1 },
    },
    { name: "none", body: "{}", facts: { model: undefined, isStream: false, hasPrompt: false, messageCount: 0 } },
    {
      name: "a model without messages",
      body: '{"model":""}',
      facts: { model: "", isStream: false, hasPrompt: false, messageCount: 0 },
    },
  ])("the facts of a body that has $name", ({ body, facts }) => {
    const { shard } = setUp(build);
    const window = acquire(shard) ?? -1;
    expect(shard.feed(window, Buffer.from(body), true)).toBeUndefined();
    expect(shard.facts(window)).toMatchObject(facts);
  });

  it("blocks have the size of the policy with which the window was taken", () => {
    const { fleet, shard } = setUp(build);
    const window = acquire(shard) ?? -1;
    expect(shard.feed(window, Buffer.from(chat("x".repeat(2_000))), true)).toBeUndefined();
    const policy = fleet.publish([], { blockSize: 1_024 });
    const large = shard.acquireWindow(layout.API_OPENAI_CHAT, policy) ?? -1;
    expect(shard.feed(large, Buffer.from(chat("x".repeat(2_000))), true)).toBeUndefined();
    const blockCounts = [fleet.request(window), { ...fleet.request(large), policy }].map(
      (request) => fleet.decide([request])[0]?.blockCount,
    );
    expect(blockCounts).toEqual([8, 2]);
  });
});

describe.each(KERNEL_BUILDS)("picks of a shard (%s build)", (build) => {
  it("scores are read back only when asked for", () => {
    const { fleet } = setUp(build);
    const policy = fleet.publish([{ program: { op: layout.SCORER_QUEUE_DEPTH }, weight: 2 }]);
    const request = { ...fleet.request(), policy };
    expect(fleet.decide([request], { withScores: true })[0]?.scores).toEqual([1]);
    expect(fleet.decide([request], { withScores: false })[0]?.scores).toEqual([]);
  });

  it("a pick without limits does not inherit those of the pick before it", () => {
    const { fleet } = setUp(build);
    const nowhere = { ...fleet.request(), addresses: [] };
    const picks = fleet.decide([nowhere, fleet.request()]);
    const again = fleet.decide([fleet.request(), nowhere]);
    expect([...picks, ...again].map((pick) => pick?.slot)).toEqual([undefined, 0, 0, undefined]);
  });

  it("all candidates of the last pick can be read with their totals, the picked one's as it was picked", () => {
    const loads = [
      endpoint({ kvCacheUsageFraction: 0.25 }),
      endpoint({ isReachable: false }),
      endpoint({ kvCacheUsageFraction: 0.5 }),
    ];
    const scorers = [{ program: { op: layout.SCORER_KV_CACHE_UTILIZATION }, weight: 4 }];
    const fleet = testFleet(build, loads, scorers, { policy: { targetsMax: 2 } });
    const picked = fleet.pick();
    if (picked === undefined) throw new Error("no endpoint was picked");
    expect(fleet.shards[0]?.lastCandidates(picked)).toEqual([
      { hostPort: "10.0.0.0:8000", total: 3 },
      { hostPort: "10.0.0.2:8000", total: 2 },
    ]);
  });

  it("a prompt belongs to the model that it is given after the scan", () => {
    const { fleet, shard } = setUp(build);
    const window = fleet.scan("hello", { model: "asked-for" });
    for (const model of [
      "m",
      "a much longer name than the one that was asked for",
      "m".repeat(layout.MODEL_SIZE_MAX),
    ]) {
      shard.setModel(window, model);
      expect(shard.facts(window).model).toBe(model);
      expect(fleet.keys(window)).toEqual(promptKeys({ model, prompt: userText("hello") }, BLOCK_SIZE));
    }
    expect(() => shard.setModel(window, "m".repeat(layout.MODEL_SIZE_MAX + 1))).toThrow("model name of 257 bytes");
  });

  it("events are counted by number and amount", () => {
    const { fleet, shard } = setUp(build);
    shard.count(layout.SHARD_COUNTER_STREAMS_OPENED);
    shard.count(layout.SHARD_COUNTER_STREAMS_OPENED, 41);
    const at = fleet.shardBase(0) + layout.SHARD_COUNTERS + layout.SHARD_COUNTER_STREAMS_OPENED * 8;
    expect(fleet.view.getBigUint64(at, true)).toBe(42n);
  });

  it("a count goes on beyond 32 bits, by whatever amounts", () => {
    const { fleet, shard } = setUp(build);
    const at = fleet.shardBase(0) + layout.SHARD_COUNTERS + layout.SHARD_COUNTER_PROMPT_TOKENS * 8;
    let expected = 0n;
    for (const amount of [0xffff_fffe, 1, 1, 0, 0xffff_ffff, 2 ** 40, 7]) {
      shard.count(layout.SHARD_COUNTER_PROMPT_TOKENS, amount);
      expected += BigInt(amount);
      expect(fleet.view.getBigUint64(at, true)).toBe(expected);
    }
  });
});
