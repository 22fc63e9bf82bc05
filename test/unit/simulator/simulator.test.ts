import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { closeFleet, startFleet } from "../../../src/simulator/fleet.ts";
import { type Simulator, startSimulator } from "../../../src/simulator/simulator.ts";
import {
  askChat,
  type ChatAnswer,
  chat,
  getText,
  INSTANT,
  metricValue,
  post,
  postChat,
  simulatorForTest,
  sseData,
  type UsageFields,
  until,
  urlOf,
} from "./support.ts";

describe("JSON answers", () => {
  test("a chat has a message, a reason to end, and usage", async () => {
    const simulator = await simulatorForTest({ ...INSTANT, replyTokensMin: 5, replyTokensMax: 5 });
    const response = await postChat(simulator, "hello there");
    expect(response.headers.get("x-simulator")).toBe("sim");
    expect(response.headers.get("content-type")).toBe("application/json");
    const answer = (await response.json()) as ChatAnswer;
    expect(answer).toMatchObject({ object: "chat.completion", model: "simulated-8b" });
    expect(answer.choices).toHaveLength(1);
    expect(answer.choices[0]).toMatchObject({ index: 0, finish_reason: "stop", message: { role: "assistant" } });
    expect(answer.choices[0]?.message.content).toHaveLength(20);
    // "user" and "hello there" are 15 bytes.
    expect(answer.usage).toEqual({
      prompt_tokens: 4,
      completion_tokens: 5,
      total_tokens: 9,
      prompt_tokens_details: { cached_tokens: 0 },
    });
  });

  test("a completion has text", async () => {
    const simulator = await simulatorForTest();
    const response = await post(simulator, "/v1/completions", { model: "simulated-8b", prompt: "once", max_tokens: 3 });
    const answer = (await response.json()) as { choices: { text: string }[]; object: string; usage: UsageFields };
    expect(answer.object).toBe("text_completion");
    expect(answer.choices).toEqual([{ index: 0, text: expect.any(String), logprobs: null, finish_reason: "length" }]);
    expect(answer.choices[0]?.text).toHaveLength(12);
    expect(answer.usage).toMatchObject({ prompt_tokens: 1, completion_tokens: 3 });
  });

  test("the client's request id becomes part of the answer's", async () => {
    const simulator = await simulatorForTest();
    const headers = { "x-request-id": "abc" };
    const response = await post(simulator, "/v1/chat/completions", chat("hi"), { headers });
    expect(((await response.json()) as ChatAnswer).id).toBe("chatcmpl-abc");
  });
});

describe("streams", () => {
  test("a chat: the role, one event per token, the reason in the last, usage on request, then DONE", async () => {
    const simulator = await simulatorForTest();
    const whole = await askChat(simulator, "hi", { max_tokens: 4 });
    const fields = { max_tokens: 4, stream: true, stream_options: { include_usage: true } };
    const response = await postChat(simulator, "hi", fields);
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    const events = sseData(await response.text());
    expect(events.pop()).toBe("[DONE]");
    const chunks = events.map((event) => JSON.parse(event));
    expect(chunks.every((chunk) => chunk.object === "chat.completion.chunk" && chunk.id === chunks[0].id)).toBe(true);
    const usage = chunks.pop();
    expect(usage).toMatchObject({ choices: [], usage: whole.usage });
    expect(chunks.every((chunk) => !("usage" in chunk))).toBe(true);
    const [opening, ...tokens] = chunks.map((chunk) => chunk.choices[0]);
    expect(opening.delta).toEqual({ role: "assistant", content: "" });
    expect(tokens.map((token) => token.finish_reason)).toEqual([null, null, null, "length"]);
    expect(tokens.map((token) => token.delta.content).join("")).toBe(whole.choices[0]?.message.content);
  });

  test("a completion: text from the first event on, and no usage unless asked for", async () => {
    const simulator = await simulatorForTest();
    const body = { model: "simulated-8b", prompt: "once", max_tokens: 2, stream: true };
    const events = sseData(await (await post(simulator, "/v1/completions", body)).text());
    expect(events.pop()).toBe("[DONE]");
    const choices = events.map((event) => JSON.parse(event).choices[0]);
    expect(choices.map(({ text }) => text.length)).toEqual([4, 4]);
    expect(choices.map(({ finish_reason }) => finish_reason)).toEqual([null, "length"]);
  });

  test("headers come before the first token", async () => {
    const clock = new ManualClock();
    const simulator = await simulatorForTest({ clock });
    const response = await postChat(simulator, "hi", { stream: true, max_tokens: 1 });
    expect(response.status).toBe(200);
    expect(simulator.state()).toMatchObject({ runningRequests: 1, generationTokens: 0 });
    clock.advance(10_000);
    expect(sseData(await response.text())).toHaveLength(3);
  });
});

describe("prefix caching", () => {
  test("a repeated prompt is cached, another one is not, one with the same beginning in part", async () => {
    const simulator = await simulatorForTest();
    const cachedTokens = async (content: string): Promise<number> =>
      (await askChat(simulator, content)).usage.prompt_tokens_details.cached_tokens;
    expect(await cachedTokens("s".repeat(400))).toBe(0);
    expect(await cachedTokens("s".repeat(400))).toBe(96);
    expect(await cachedTokens("t".repeat(400))).toBe(0);
    expect(await cachedTokens("s".repeat(200) + "t".repeat(200))).toBe(48);
    const metrics = await getText(simulator, "/metrics");
    expect(metricValue(metrics, "vllm:prefix_cache_hits_total")).toBe(144);
    expect(metricValue(metrics, "vllm:prefix_cache_queries_total")).toBe(404);
  });

  test("a conversation's next turn finds the reply in the cache", async () => {
    const simulator = await simulatorForTest({ ...INSTANT, replyTokensMin: 100, replyTokensMax: 100 });
    const question = { role: "user", content: "q".repeat(60) };
    const first = await askChat(simulator, question.content);
    const messages = [question, first.choices[0]?.message, { role: "user", content: "and then?" }];
    const second = await askChat(simulator, "", { messages });
    // 64 bytes of question, "assistant", 400 bytes of reply: 473 bytes are 7 whole blocks.
    expect(second.usage.prompt_tokens_details.cached_tokens).toBe(112);
  });

  test("an adapter shares nothing with the base model", async () => {
    const simulator = await simulatorForTest({ ...INSTANT, adapters: ["red"] });
    await askChat(simulator, "s".repeat(400));
    const answer = await askChat(simulator, "s".repeat(400), { model: "red" });
    expect(answer.model).toBe("red");
    expect(answer.usage.prompt_tokens_details.cached_tokens).toBe(0);
  });
});

describe("other paths", () => {
  test("models: the base model and its adapters", async () => {
    const simulator = await simulatorForTest({ model: "base", adapters: ["red", "blue"] });
    const { object, data } = JSON.parse(await getText(simulator, "/v1/models"));
    expect(object).toBe("list");
    expect(data).toMatchObject([
      { id: "base", object: "model", parent: null, max_model_len: 32_768 },
      { id: "red", parent: "base" },
      { id: "blue", parent: "base" },
    ]);
  });

  test("health is an empty 200, version is JSON, metrics are Prometheus text", async () => {
    const simulator = await simulatorForTest();
    expect(await getText(simulator, "/health")).toBe("");
    expect(JSON.parse(await getText(simulator, "/version"))).toHaveProperty("version");
    const response = await fetch(urlOf(simulator, "/metrics?x=1"));
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(metricValue(await response.text(), "vllm:num_requests_running", 'engine="0"')).toBe(0);
  });

  test("errors: unknown path 404, wrong method 405, unknown model 404 by name, bad JSON 400", async () => {
    const simulator = await simulatorForTest();
    expect((await fetch(urlOf(simulator, "/v2"))).status).toBe(404);
    expect((await fetch(urlOf(simulator, "/v1/completions"))).status).toBe(405);
    const unknown = await postChat(simulator, "hi", { model: "gpt" });
    expect(unknown.status).toBe(404);
    const message = "The model `gpt` does not exist.";
    expect(await unknown.json()).toEqual({ error: { message, type: "NotFoundError", param: "model", code: 404 } });
    const bad = await post(simulator, "/v1/chat/completions", "{");
    expect([bad.status, bad.headers.get("x-simulator")]).toEqual([400, "sim"]);
    expect(await bad.json()).toMatchObject({ error: { type: "BadRequestError", code: 400 } });
  });

  test("a body above the limit is refused with 413, and the server lives on", async () => {
    const simulator = await simulatorForTest();
    const response = await post(simulator, "/v1/chat/completions", "x".repeat(16 * 1024 * 1024 + 1));
    expect(response.status).toBe(413);
    expect(await getText(simulator, "/health")).toBe("");
  });
});

describe("clients that go away", () => {
  test.each([true, false])("free place and blocks, and the next request starts (stream: %s)", async (stream) => {
    const clock = new ManualClock();
    const simulator = await simulatorForTest({ clock, runningRequestsMax: 1 });
    const client = new AbortController();
    const fields = { stream, max_tokens: 100 };
    const first = post(simulator, "/v1/chat/completions", chat("first", fields), { signal: client.signal });
    const firstOutcome = first.then((response) => response.text()).catch((error: Error) => error.name);
    await until(() => simulator.state().runningRequests === 1, "the first runs");
    const second = askChat(simulator, "second", { max_tokens: 1 });
    await until(() => simulator.state().waitingRequests === 1, "the second waits");
    client.abort();
    expect(await firstOutcome).toBe("AbortError");
    await until(() => simulator.state().waitingRequests === 0, "the second runs");
    expect(simulator.state()).toMatchObject({ runningRequests: 1, finishedRequests: { abort: 1 } });
    clock.advance(10_000);
    expect((await second).usage.completion_tokens).toBe(1);
    expect(simulator.state()).toMatchObject({ runningRequests: 0, kvCacheUsageFraction: 0 });
  });
});

describe("time", () => {
  test("requests are answered in the order of arrival when there is one place", async () => {
    const clock = new ManualClock();
    const simulator = await simulatorForTest({ clock, runningRequestsMax: 1 });
    const order: string[] = [];
    const answers: Promise<unknown>[] = [];
    for (const [index, content] of ["one", "two", "three"].entries()) {
      answers.push(askChat(simulator, content, { max_tokens: 2 }).then(() => order.push(content)));
      await until(() => requestsWithin(simulator) === index + 1, `request ${index} is there`);
    }
    for (const finished of [1, 2, 3]) {
      // 12 ms of overhead, a few prompt tokens of 0.0625 ms and one more token after 12 ms.
      clock.advance(24.5);
      expect(simulator.state().finishedRequests.length).toBe(finished);
      await until(() => order.length === finished, `answer ${finished}`);
    }
    await Promise.all(answers);
    expect(order).toEqual(["one", "two", "three"]);
  });

  test("the same seed and clock give the same answers and the same metrics, byte by byte", async () => {
    const run = async (seed: number): Promise<string> => {
      const clock = new ManualClock();
      const simulator = await simulatorForTest({ clock, seed, runningRequestsMax: 2 });
      const texts: Promise<string>[] = [];
      for (let index = 0; index < 6; index++) {
        texts.push(postChat(simulator, `question ${index % 4}`).then((response) => response.text()));
        await until(() => requestsWithin(simulator) === index + 1, `request ${index} is there`);
      }
      while (clock.advanceToNext());
      return (await Promise.all(texts)).join("\n") + (await getText(simulator, "/metrics"));
    };
    const first = await run(9);
    expect(await run(9)).toBe(first);
    expect(await run(10)).not.toBe(first);
  });
});

describe("death and revival", () => {
  test("a killed server cuts its answers off and refuses connections at once", async () => {
    const clock = new ManualClock();
    const simulator = await simulatorForTest({ clock });
    const response = await postChat(simulator, "hi", { stream: true });
    simulator.kill();
    expect(simulator.state()).toMatchObject({ isListening: false, runningRequests: 0 });
    await expect(response.text()).rejects.toThrow();
    await expect(getText(simulator, "/health")).rejects.toThrow();
    expect(clock.pendingCount).toBe(0);
  });

  test("a revived server has its port and an empty cache", async () => {
    const simulator = await simulatorForTest();
    const { address } = simulator;
    await askChat(simulator, "s".repeat(400));
    simulator.kill();
    await simulator.revive();
    expect(simulator.address).toEqual(address);
    expect(simulator.state()).toMatchObject({ isListening: true, kvCacheFindableBlocks: 0, promptTokens: 0 });
    expect((await askChat(simulator, "s".repeat(400))).usage.prompt_tokens_details.cached_tokens).toBe(0);
  });

  test("a taken port is an error that names it", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    await expect(startSimulator({ port })).rejects.toThrow(`port ${port} of 127.0.0.1 is taken`);
    await new Promise((resolve) => other.close(resolve));
  });
});

describe("a fleet", () => {
  test("has numbered names, ports of its own, and the same answers everywhere", async () => {
    const fleet = await startFleet(3, { ...INSTANT, name: "node" });
    try {
      expect(fleet.map(({ name }) => name)).toEqual(["node-0", "node-1", "node-2"]);
      expect(new Set(fleet.map(({ address }) => address.port)).size).toBe(3);
      const answers = await Promise.all(fleet.map((simulator) => askChat(simulator, "hello", { max_tokens: 8 })));
      expect(new Set(answers.map((answer) => answer.choices[0]?.message.content)).size).toBe(1);
    } finally {
      await closeFleet(fleet);
    }
    expect(fleet.map((simulator) => simulator.state().isListening)).toEqual([false, false, false]);
  });

  test("starts whole or not at all", async () => {
    const taken = await simulatorAfterFreePort();
    const options = { ...INSTANT, port: taken.address.port - 1 };
    await expect(startFleet(2, options)).rejects.toThrow("is taken");
    // The first of the two has been closed again: its port is free.
    const first = await simulatorForTest(options);
    expect(first.address.port).toBe(options.port);
  });
});

function requestsWithin(simulator: Simulator): number {
  const { runningRequests, waitingRequests } = simulator.state();
  return runningRequests + waitingRequests;
}

/** A server whose port has a free one right below it. */
async function simulatorAfterFreePort(): Promise<Simulator> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const simulator = await simulatorForTest();
    const below = await startSimulator({ port: simulator.address.port - 1 }).catch(() => undefined);
    await below?.close();
    if (below !== undefined) return simulator;
  }
  throw new Error("no two free ports side by side");
}
