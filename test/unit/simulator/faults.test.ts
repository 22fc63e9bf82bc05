import { createServer, type IncomingMessage, request } from "node:http";
import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { Prng } from "../../../src/base/prng.ts";
import { AnswerBody } from "../../../src/simulator/answer-body.ts";
import { drawFault, type Fault } from "../../../src/simulator/faults.ts";
import type { Simulator } from "../../../src/simulator/simulator.ts";
import { askChat, chat, getText, INSTANT, postChat, simulatorForTest, until } from "./support.ts";

/** What a client sees of one answer: status, body so far, and how it ended, if it did. */
interface Sighting {
  status: number | undefined;
  text: string;
  end: "complete" | "broken" | undefined;
  leave(): void;
}

/** Asks over a connection of its own, chunk by chunk, as `fetch` would not show it. */
function watch(simulator: Simulator, fields: object): Sighting {
  const { host, port } = simulator.address;
  const options = { host, port, path: "/v1/chat/completions", method: "POST", agent: false } as const;
  const outgoing = request(options, (response: IncomingMessage) => {
    sighting.status = response.statusCode;
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => (sighting.text += chunk));
    response.on("error", () => {});
    response.on("close", () => (sighting.end = response.complete ? "complete" : "broken"));
  });
  outgoing.on("error", () => (sighting.end = "broken"));
  const sighting: Sighting = { status: undefined, text: "", end: undefined, leave: () => outgoing.destroy() };
  outgoing.end(JSON.stringify(chat("hi", fields)));
  return sighting;
}

const STREAM = { stream: true, max_tokens: 10, ignore_eos: true };

function eventCount(text: string): number {
  return text.split("\n\n").length - 1;
}

describe("faults", () => {
  test("status: an error with that status", async () => {
    const simulator = await simulatorForTest({ ...INSTANT, fault: { kind: "status", status: 503 } });
    const response = await postChat(simulator, "hi");
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { type: "SimulatedFault", code: 503 } });
    expect(simulator.state().promptTokens).toBe(0);
  });

  test("refuse: no answer on any path, on new connections and on old ones", async () => {
    const simulator = await simulatorForTest();
    await askChat(simulator, "hi");
    simulator.setFault({ kind: "refuse" });
    await expect(postChat(simulator, "hi")).rejects.toThrow();
    await expect(getText(simulator, "/health")).rejects.toThrow();
    simulator.setFault({ kind: "none" });
    await askChat(simulator, "hi");
  });

  test.each([0, 1, 4])("reset after %d chunks of a stream", async (afterChunks) => {
    const simulator = await simulatorForTest({ ...INSTANT, fault: { kind: "reset", afterChunks } });
    const sighting = watch(simulator, STREAM);
    await until(() => sighting.end !== undefined, "the connection ends");
    expect(sighting.end).toBe("broken");
    expect(sighting.status).toBe(afterChunks === 0 ? undefined : 200);
    expect(eventCount(sighting.text)).toBeLessThanOrEqual(afterChunks);
    await until(() => simulator.state().runningRequests === 0, "the engine is free again");
  });

  test("reset in the middle of a JSON answer", async () => {
    const simulator = await simulatorForTest({ ...INSTANT, fault: { kind: "reset", afterChunks: 1 } });
    const sighting = watch(simulator, { max_tokens: 3 });
    await until(() => sighting.end !== undefined, "the connection ends");
    expect(sighting.end).toBe("broken");
    expect(() => JSON.parse(sighting.text)).toThrow();
  });

  test.each([0, 1, 4])(
    "hang after %d chunks: the connection stays open until the client leaves",
    async (afterChunks) => {
      const clock = new ManualClock();
      const simulator = await simulatorForTest({ clock, fault: { kind: "hang", afterChunks } });
      const sighting = watch(simulator, STREAM);
      await until(() => simulator.state().runningRequests === 1, "the request runs");
      clock.advance(60_000);
      await until(() => eventCount(sighting.text) === afterChunks, "the chunks arrive");
      expect(simulator.state().finishedRequests.length).toBe(1);
      // A request on another connection takes longer than anything that is still on its way here.
      await getText(simulator, "/health");
      expect([eventCount(sighting.text), sighting.end]).toEqual([afterChunks, undefined]);
      sighting.leave();
      await until(() => sighting.end === "broken", "the client has left");
    },
  );

  test("slow headers: nothing, and no place in the engine, before the delay", async () => {
    const clock = new ManualClock();
    const simulator = await simulatorForTest({ clock, fault: { kind: "slow-headers", delayMs: 3000 } });
    const sighting = watch(simulator, STREAM);
    await until(() => clock.pendingCount === 1, "the delay has begun");
    clock.advance(2999);
    await getText(simulator, "/health");
    expect([sighting.status, simulator.state().runningRequests]).toEqual([undefined, 0]);
    clock.advance(1);
    expect(simulator.state().runningRequests).toBe(1);
    await until(() => sighting.status === 200, "headers");
    clock.advance(60_000);
    await until(() => sighting.end === "complete", "the answer ends");
  });

  test("slow headers: a client that leaves meanwhile never enters the engine", async () => {
    const clock = new ManualClock();
    const simulator = await simulatorForTest({ clock, fault: { kind: "slow-headers", delayMs: 3000 } });
    const sighting = watch(simulator, STREAM);
    await until(() => clock.pendingCount === 1, "the delay has begun");
    sighting.leave();
    await until(() => sighting.end === "broken", "the client has left");
    await getText(simulator, "/health");
    clock.advance(3000);
    expect(simulator.state()).toMatchObject({ runningRequests: 0, promptTokens: 0 });
  });

  test("a server with a fault says that it is healthy", async () => {
    const simulator = await simulatorForTest({ fault: { kind: "status", status: 500 } });
    expect(await getText(simulator, "/health")).toBe("");
    expect(await getText(simulator, "/metrics")).toContain("vllm:num_requests_running");
  });
});

test("writing on when the connection is gone is no error", async () => {
  const errors: Error[] = [];
  const server = createServer((_request, response) => {
    response.on("error", (error) => errors.push(error));
    const body = new AnswerBody(response, { kind: "none" });
    body.open({ "content-type": "text/plain" });
    response.destroy();
    body.write("x");
    body.write("y");
    body.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await expect(fetch(`http://127.0.0.1:${port}`).then((response) => response.text())).rejects.toThrow();
  await new Promise((resolve) => server.close(resolve));
  expect(errors).toEqual([]);
});

test.each([0, 0.25, 1])("a fraction of %d of the requests meets the fault", (fraction) => {
  const prng = new Prng(3);
  const fault: Fault = { kind: "status", status: 500 };
  const drawn = Array.from({ length: 4000 }, () => drawFault(fault, fraction, prng).kind);
  const met = drawn.filter((kind) => kind === "status").length / drawn.length;
  expect(Math.abs(met - fraction)).toBeLessThan(0.03);
});
