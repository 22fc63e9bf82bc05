/** From a scanned body to the keys of its blocks, against the definition on a slow XXH64 (`prompt-keys.ts`). */
import { describe, expect, it } from "vitest";
import { layout } from "../../../src/wasm/layout.ts";
import { NameTable } from "../../../src/wasm/name-table.ts";
import { BLOCK_SIZE, endpoint, type TestFleet, testFleet } from "../../support/fleet.ts";
import { KERNEL_BUILDS } from "../../support/kernel.ts";
import { promptKeys, userText } from "../../support/prompt-keys.ts";

const TOOLS = '[{"type":"function","function":{"name":"find","parameters":{"depth":3}}}]';
const QUESTION = "Which of these would you take? ".repeat(30);

/** The members of one body, in every order. */
function bodies(members: readonly string[]): string[] {
  if (members.length === 0) return [""];
  return members.flatMap((member) =>
    bodies(members.filter((other) => other !== member)).map((rest) => (rest === "" ? member : `${member},${rest}`)),
  );
}

/** Keys of a body, whose window is given back. */
function keysOf(fleet: TestFleet, body: string, api?: number): bigint[] {
  const window = fleet.scanBody(body, api === undefined ? {} : { api });
  const keys = fleet.keys(window);
  fleet.shards[0]?.releaseWindow(window);
  return keys;
}

const chat = (content: string, fields: object = {}): string =>
  JSON.stringify({ model: "test-model", messages: [{ role: "user", content }], ...fields });

describe.each(KERNEL_BUILDS)("keys of a prompt (%s build)", (build) => {
  const oneEndpoint = (options?: Parameters<typeof testFleet>[3]): TestFleet =>
    testFleet(build, [endpoint()], [], options);

  it("parts are chained as tools, then prompt, in whatever order the body has its fields", () => {
    const fleet = oneEndpoint();
    const members = [
      '"model":"test-model"',
      '"cache_salt":"pepper"',
      `"messages":[{"role":"user","content":"${QUESTION}"}]`,
      `"tools": ${TOOLS.replaceAll(":", " : ")}`,
      '"stream":true',
    ];
    const expected = promptKeys({ salt: "pepper", tools: TOOLS, prompt: userText(QUESTION) }, BLOCK_SIZE);
    expect(expected.length).toBeGreaterThan(4);
    const orders = bodies(members);
    expect(orders).toHaveLength(120);
    for (const body of orders) expect(keysOf(fleet, `{${body}}`), body).toEqual(expected);
  });

  it("the order of the chain is tools, system, prompt, wherever their ids lie in the window", () => {
    const fleet = oneEndpoint();
    const window = fleet.scan("");
    const base = fleet.windowBase(0, window);
    const ids = [11n, 12n, 21n, 22n, 31n];
    for (const [index, id] of ids.entries()) fleet.view.setBigUint64(base + layout.WINDOW_IDS + index * 8, id, true);
    const setPart = (part: number, firstId: number, idCount: number): void => {
      fleet.view.setUint32(base + layout.WINDOW_PARTS + part * layout.PART_STRIDE, firstId, true);
      fleet.view.setUint32(base + layout.WINDOW_PARTS + part * layout.PART_STRIDE + 4, idCount, true);
    };
    setPart(layout.PART_PROMPT, 0, 2);
    setPart(layout.PART_TOOLS, 2, 2);
    setPart(layout.PART_SYSTEM, 4, 1);
    const inOrder = fleet.keys(window);

    setPart(layout.PART_TOOLS, 0, 0);
    setPart(layout.PART_SYSTEM, 0, 0);
    for (const [index, id] of [21n, 22n, 31n, 11n, 12n].entries()) {
      fleet.view.setBigUint64(base + layout.WINDOW_IDS + index * 8, id, true);
    }
    setPart(layout.PART_PROMPT, 0, 5);
    expect(inOrder).toEqual(fleet.keys(window));
    expect(inOrder).toHaveLength(5);
  });

  // Each side: what it says about model and salt. Equal prompts otherwise.
  it.each([
    { name: "another model", one: { model: "a" }, other: { model: "b" }, shared: 0 },
    { name: "another salt", one: { cache_salt: "a" }, other: { cache_salt: "b" }, shared: 0 },
    { name: "a salt where the other has none", one: { cache_salt: "a" }, other: {}, shared: 0 },
    {
      name: "model and salt that are the same text when written together",
      one: { model: "ab", cache_salt: "c" },
      other: { model: "a", cache_salt: "bc" },
      shared: 0,
    },
    {
      name: "a salt that could be the end of the model",
      one: { model: "a", cache_salt: "b" },
      other: { model: "ab" },
      shared: 0,
    },
    { name: "an empty salt and none", one: { cache_salt: "" }, other: {}, shared: 4 },
    { name: "fields that are no part of the prompt", one: { temperature: 1, user: "x" }, other: { n: 2 }, shared: 4 },
  ])("$name: $shared of 4 keys are shared", ({ one, other, shared }) => {
    const fleet = oneEndpoint();
    const content = "x".repeat(4 * BLOCK_SIZE - 4);
    const [left, right] = [one, other].map((fields) => keysOf(fleet, chat(content, fields)));
    expect(left).toHaveLength(4);
    expect(left?.filter((key, index) => key === right?.[index])).toHaveLength(shared);
    expect(new Set([...(left ?? []), ...(right ?? [])]).size).toBe(8 - shared);
  });

  it("the chain's root is XXH64 of model, a zero byte and salt", () => {
    const fleet = oneEndpoint();
    const longest = "m".repeat(layout.MODEL_SIZE_MAX);
    const salt = "s".repeat(layout.SALT_SIZE_MAX);
    expect(keysOf(fleet, chat("hi", { model: longest, cache_salt: salt }))).toEqual(
      promptKeys({ model: longest, salt, prompt: userText("hi") }, BLOCK_SIZE),
    );
    expect(keysOf(fleet, chat("hi", { model: "größe 模型" }))).toEqual(
      promptKeys({ model: "größe 模型", prompt: userText("hi") }, BLOCK_SIZE),
    );
  });

  it.each([64, 256, 260, 1_000, 4_096])("blocks have %i bytes where the policy says so", (blockSize) => {
    const fleet = oneEndpoint({ policy: { blockSize } });
    expect(keysOf(fleet, chat(QUESTION.repeat(10), { tools: [{ a: 1 }] }))).toEqual(
      promptKeys({ tools: '[{"a":1}]', prompt: userText(QUESTION.repeat(10)) }, blockSize),
    );
  });

  it("text that moves from one part to the next makes another prompt", () => {
    const fleet = oneEndpoint();
    const one = keysOf(fleet, chat("ab", { tools: "x" }));
    const other = keysOf(fleet, chat("b", { tools: "xa" }));
    expect(one).toHaveLength(2);
    expect(new Set([...one, ...other]).size).toBe(4);
  });

  it("no more blocks are chained than the policy allows, and the rest still counts as tokens", () => {
    const fleet = oneEndpoint({ policy: { blocksMax: 3 } });
    const window = fleet.scan("x".repeat(5 * BLOCK_SIZE - 4));
    const picked = fleet.pick(window);
    expect(picked).toMatchObject({ blockCount: 3, matchedBlocks: 0, tokens: (5 * BLOCK_SIZE) / 4 });
    expect(fleet.keys(window)).toEqual(
      promptKeys({ prompt: userText("x".repeat(5 * BLOCK_SIZE - 4)) }, BLOCK_SIZE).slice(0, 3),
    );
  });

  it("a prompt fills BLOCKS_MAX keys and no more", () => {
    const fleet = oneEndpoint({ policy: { blockSize: 64 } });
    const keys = keysOf(fleet, chat("y".repeat(64 * (layout.BLOCKS_MAX + 5))));
    expect(keys).toHaveLength(layout.BLOCKS_MAX);
    expect(new Set(keys).size).toBe(layout.BLOCKS_MAX);
  });

  it("a completions prompt is chained without a role", () => {
    const fleet = oneEndpoint();
    const body = JSON.stringify({ prompt: QUESTION, model: "test-model" });
    expect(keysOf(fleet, body, layout.API_OPENAI_COMPLETIONS)).toEqual(promptKeys({ prompt: QUESTION }, BLOCK_SIZE));
  });
});

describe.each(KERNEL_BUILDS)("the model's number in a pick (%s build)", (build) => {
  it("is 0 until the control thread has named the model, and counts requests by name", () => {
    const fleet = testFleet(build, [endpoint()], []);
    const names = new NameTable(fleet.memory, fleet.kernel);
    const window = fleet.scan("hi", { model: "llama" });
    const requestsOf = (number: number): number =>
      fleet.view.getUint32(fleet.shardBase(0) + layout.SHARD_NAME_REQUESTS + number * 4, true);

    expect(fleet.pick(window)?.nameNumber).toBe(0);
    const number = names.add("llama");
    expect(fleet.pick(window)?.nameNumber).toBe(number);
    expect(fleet.pick(window)?.nameNumber).toBe(number);
    expect(fleet.pick(fleet.scan("hi", { model: "another" }))?.nameNumber).toBe(0);
    expect([requestsOf(0), requestsOf(number)]).toEqual([2, 2]);
  });

  it("is 0 for a request without a body", () => {
    const fleet = testFleet(build, [endpoint()], []);
    expect(fleet.pick()).toMatchObject({ nameNumber: 0, blockCount: 0, matchedBlocks: 0, tokens: 0 });
  });
});
