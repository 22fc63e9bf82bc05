/**
 * The load bench against real servers, a few hundred exchanges each: what it sends and counts is right. Nothing is
 * measured here.
 */
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { startBareDirectServer } from "../../bench/load/bare-direct-server.ts";
import { type BareServerOptions, startBareServer } from "../../bench/load/bare-server.ts";
import { type ExchangeScript, makeScripts, type ScriptOptions } from "../../bench/load/exchange-script.ts";
import { Generator, type GeneratorOptions, type GeneratorResult } from "../../bench/load/generator.ts";
import { type LoadOptions, type LoadResult, runLoad } from "../../bench/load/load-run.ts";
import { probe } from "../../bench/load/probe.ts";
import { systemClock } from "../../src/base/clock.ts";
import { Prng } from "../../src/base/prng.ts";
import { decodeProcessingRequest } from "../../src/wire/ext-proc/request-decoder.ts";
import { encodeImmediateResponse } from "../../src/wire/ext-proc/response-encoder.ts";
import { GrpcFrameReader } from "../../src/wire/grpc-frame.ts";
import { closeEpps, startTestEpp } from "../support/epp.ts";
import { addressesOf, closeSimulators, startSimulators } from "../support/fleet-of-simulators.ts";
import { startPickerProgram } from "../support/picker-program.ts";
import { endPrograms, runProgram } from "../support/programs.ts";
import { bodyOf, pickEndpoint, type Script, startScriptedPicker } from "../support/scripted-ext-proc.ts";
import { until } from "../support/until.ts";

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await endPrograms();
  await closeEpps();
  await closeSimulators();
});

async function bareServer(options: Partial<BareServerOptions> = {}): Promise<number> {
  const server = await startBareServer({ port: 0, ...options });
  closers.push(() => server.close());
  return server.port;
}

async function scriptedPicker(script: Script) {
  const picker = await startScriptedPicker(script);
  closers.push(() => picker.close());
  return picker;
}

const SCRIPT: ScriptOptions = {
  path: "/v1/chat/completions",
  model: "simulated-8b",
  bodySize: 1_000,
  pieceSize: 65_536,
  prefixGroupCount: 4,
  prefixShare: 0.5,
  chunkCount: 2,
};

/** A little load, until some exchanges have ended. */
async function load(port: number, options: Partial<LoadOptions> = {}): Promise<LoadResult> {
  const loop = { pace: { kind: "closed", concurrency: 8 }, connectionCount: 2, threadCount: 1 } as const;
  const exchange = { ending: "reset", chunksInFlight: 1, isAtOnce: false, mayEndAfterPick: false } as const;
  const times = { warmUpMs: 0, durationMs: 200, exchangeCountMin: 100, timeoutMs: 15_000 };
  const target = { host: "127.0.0.1", port, isTls: false };
  const all = { ...loop, ...exchange, ...times, target, authority: "localhost", seed: 1, script: SCRIPT };
  return await runLoad({ ...all, ...options }, systemClock);
}

describe("driving the bare server", () => {
  it.each(["reset", "half-close"] as const)("every exchange is complete when streams end by %s", async (ending) => {
    const result = await load(await bareServer(), { ending });
    expect(result.errors).toEqual({});
    expect(result.completedCount).toBeGreaterThan(0);
    expect(result.pick.samples).toBeGreaterThanOrEqual(result.completedCount);
    // All but those of exchanges that were open at either end.
    expect(Math.abs(result.chunkCount - SCRIPT.chunkCount * result.completedCount)).toBeLessThanOrEqual(2 * 8);
  });

  it.each([
    ["bodies larger than a window", { script: { ...SCRIPT, bodySize: 450_000 } }],
    ["many chunks", { script: { ...SCRIPT, chunkCount: 1_000 }, exchangeCountMin: 8 }],
    ["chunks that are not waited for", { chunksInFlight: 100, script: { ...SCRIPT, chunkCount: 100 } }],
    ["everything at once", { isAtOnce: true }],
    ["everything at once, larger than a window", { isAtOnce: true, script: { ...SCRIPT, bodySize: 220_000 } }],
  ])("%s go through", async (_what, options: Partial<LoadOptions>) => {
    const result = await load(await bareServer(), options);
    expect(result.errors).toEqual({});
    expect(result.completedCount).toBeGreaterThan(0);
  });

  it.each([
    ["small bodies", { bodySize: 1_000 }],
    ["bodies that come in pieces", { bodySize: 220_000 }],
    ["one message of many pieces", { bodySize: 220_000, pieceSize: 1_000_000 }],
    ["many chunks", { chunkCount: 1_000 }],
  ])("on the direct transport, too: %s", async (_what, script) => {
    const server = await startBareDirectServer(0);
    closers.push(() => server.close());
    const result = await load(server.port, { script: { ...SCRIPT, ...script }, exchangeCountMin: 20 });
    expect(result.errors).toEqual({});
    expect(result.completedCount).toBeGreaterThan(0);
  });

  it("an open loop begins about as many exchanges as it should, and says how late", async () => {
    const ratePerSecond = 400;
    const result = await load(await bareServer(), {
      pace: { kind: "open", ratePerSecond },
      durationMs: 1_000,
      exchangeCountMin: 0,
    });
    expect(result.errors).toEqual({});
    expect(result.offeredPerSecond).toBe(ratePerSecond);
    // Arrivals are random: the mean, and 5 standard deviations.
    const mean = (ratePerSecond * result.durationMs) / 1_000;
    expect(Math.abs(result.generator.lag.samples - mean)).toBeLessThan(5 * Math.sqrt(mean));
  });

  it("connections that are given up are replaced, and no exchange is lost with them", async () => {
    const result = await load(await bareServer({ streamsPerConnectionMax: 5 }));
    expect(result.errors).toEqual({});
    expect(result.connectionCount).toBeGreaterThan(0);
  });
});

describe("driving a picker", () => {
  it("every request is picked and every response observed", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(3)));
    const result = await load(epp.grpcPort, { ending: "half-close" });
    expect(result.errors).toEqual({});
    expect(result.completedCount).toBeGreaterThan(0);
    expect(epp.decisionLines.length).toBeGreaterThanOrEqual(result.completedCount);
  });

  it("one that speaks TLS, with a certificate that nobody knows, is driven and probed as well", async () => {
    const picker = await startPickerProgram(addressesOf(await startSimulators(1)), ["--secure-serving=true"]);
    const target = { host: "127.0.0.1", port: picker.grpcPort, isTls: true };
    const { destination } = await probe({ ...probeOptions(picker.grpcPort), target }, systemClock);
    expect(destination).toMatch(/^127\.0\.0\.1:\d+$/);
    const result = await load(picker.grpcPort, { target, script: { ...SCRIPT, bodySize: 220_000 } });
    expect(result.errors).toEqual({});
    expect(result.completedCount).toBeGreaterThan(0);
  });

  it("what it hears is what was scripted: no two prompts are equal, and each group shares its prefix", async () => {
    const picker = await scriptedPicker(pickEndpoint("10.0.0.1:8000"));
    const script = { ...SCRIPT, bodySize: 150_000, pieceSize: 20_000 };
    const result = await load(picker.port, { script });
    expect(result.errors).toEqual({});
    const whole = picker.streams.slice(0, 20).map((stream) => bodyOf(stream, "request").toString());
    const contents = whole.map((body) => {
      const { messages } = JSON.parse(body) as { messages: { content: string }[] };
      return messages.map(({ content }) => content);
    });
    expect(new Set(contents.map(([, own]) => own?.slice(0, 12))).size).toBe(contents.length);
    expect(new Set(contents.map(([shared]) => shared)).size).toBeLessThanOrEqual(SCRIPT.prefixGroupCount);
  });

  it("refusals are counted with their status", async () => {
    const refuse: Script = (stream, message) => {
      if (message.kind !== "requestBody") return;
      stream.send(encodeImmediateResponse({ status: 429, body: "full" }));
      stream.end();
    };
    const picker = await scriptedPicker(refuse);
    const result = await load(picker.port);
    expect(Object.keys(result.errors)).toEqual(["refused with 429"]);
    expect(result.completedCount).toBe(0);
    await expect(probe(probeOptions(picker.port), systemClock)).rejects.toThrow("refuses the request with 429: full");
  });

  it("one that is silent is given up", async () => {
    const picker = await scriptedPicker(() => undefined);
    const result = await load(picker.port, { timeoutMs: 50, exchangeCountMin: 8 });
    expect(Object.keys(result.errors)).toEqual(["no answer in 0.05 s"]);
  });

  it("one that ends its streams after the pick is known by the probe, and then right", async () => {
    const pick = pickEndpoint("10.0.0.1:8000");
    const picker = await scriptedPicker((stream, message) => {
      pick(stream, message);
      if (message.kind === "requestBody" && message.endOfStream) stream.end();
    });
    const { endsAfterPick, destination } = await probe(probeOptions(picker.port), systemClock);
    expect({ endsAfterPick, destination }).toEqual({ endsAfterPick: true, destination: "10.0.0.1:8000" });
    const without = await load(picker.port, { mayEndAfterPick: false });
    expect(Object.keys(without.errors)).toEqual(["stream ended before the response was answered"]);
    const aware = await load(picker.port, { mayEndAfterPick: true });
    expect(aware.errors).toEqual({});
    expect(aware.completedCount).toBeGreaterThan(0);
  });

  it("a port where nobody listens is an error", async () => {
    const server = await startBareServer({ port: 0 });
    await server.close();
    await expect(load(server.port)).rejects.toThrow("no connection to 127.0.0.1");
    await expect(probe(probeOptions(server.port), systemClock)).rejects.toThrow("ECONNREFUSED");
  });
});

function probeOptions(port: number) {
  const [script] = makeScripts(SCRIPT, new Prng(1));
  if (script === undefined) throw new Error("no script was made");
  return { target: { host: "127.0.0.1", port, isTls: false }, authority: "localhost", script, timeoutMs: 5_000 };
}

describe("exchanges that do not go well on purpose", () => {
  it("a refusal that is expected is no failure; another one is", async () => {
    const refuse: Script = (stream, message) => {
      if (message.kind === "requestBody") stream.send(encodeImmediateResponse({ status: 400, body: "bad" }));
    };
    const picker = await scriptedPicker(refuse);
    const expected = await drive(picker.port, (script) => ({
      ...script,
      outcome: { kind: "refused", httpStatus: 400 },
    }));
    expect([...expected.errors]).toEqual([]);
    expect(expected.completedCount).toBeGreaterThan(0);
    const other = await drive(picker.port, (script) => ({ ...script, outcome: { kind: "refused", httpStatus: 503 } }));
    expect([...other.errors.keys()]).toEqual(["refused with 400"]);
  });

  it.each([
    ["before the pick", (count: number) => count - 1],
    ["within the response", (count: number) => count + 2],
  ])("a client that leaves %s resets its stream and counts as complete", async (_when, countOf) => {
    const picker = await scriptedPicker(pickEndpoint("10.0.0.1:8000"));
    const leave = ({ messages, requestCount }: ExchangeScript): ExchangeScript => ({
      messages: messages.slice(0, countOf(requestCount)),
      requestCount,
      outcome: { kind: "abandoned" },
    });
    const result = await drive(picker.port, leave);
    expect([...result.errors]).toEqual([]);
    expect(result.completedCount).toBeGreaterThan(0);
  });

  it("connections that are renewed or lost in between cost no exchange", async () => {
    const picker = await scriptedPicker(pickEndpoint("10.0.0.1:8000"));
    const result = await drive(picker.port, (script) => script, [false, true, false, true]);
    expect([...result.errors]).toEqual([]);
    expect(result.connectionCount).toBeGreaterThanOrEqual(4);
  });
});

/** Drives it with changed scripts; meanwhile connections are replaced: `true` loses one. */
async function drive(
  port: number,
  change: (script: ExchangeScript) => ExchangeScript,
  replacements: readonly boolean[] = [],
): Promise<GeneratorResult> {
  const options: GeneratorOptions = {
    target: { host: "127.0.0.1", port, isTls: false },
    pace: { kind: "closed", concurrency: 8 },
    ...{ authority: "localhost", connectionCount: 2, timeoutMs: 5_000, seed: 1, serialStart: 0, script: SCRIPT },
    ...{ ending: "reset", chunksInFlight: 1, isAtOnce: false, mayEndAfterPick: false },
  };
  const scripts = makeScripts({ ...SCRIPT, bodySize: 100_000 }, new Prng(1)).map(change);
  const generator = new Generator(options, systemClock, scripts);
  await generator.start();
  try {
    await generator.startMeasuring();
    const untilEnded = (count: number): Promise<boolean> =>
      until(`${count} exchanges`, async () => (await generator.endedCount()) >= count);
    for (const [turn, isLost] of replacements.entries()) {
      generator.replaceConnection(turn, isLost);
      await untilEnded(50 * (turn + 1));
    }
    await untilEnded(50 * (replacements.length + 1));
    return await generator.stopMeasuring();
  } finally {
    await generator.stop();
  }
}

describe("flow control", () => {
  it("windows smaller than a message are kept, and the bytes are right", async () => {
    const bodies: string[] = [];
    const server = await smallWindowServer((body) => bodies.push(body));
    const result = await load(server, {
      script: { ...SCRIPT, bodySize: 60_000 },
      timeoutMs: 2_000,
      exchangeCountMin: 8,
    });
    // It answers nothing: what counts is what has come.
    expect(result.completedCount).toBe(0);
    expect(bodies.length).toBeGreaterThan(0);
    for (const body of bodies) expect(JSON.parse(body)).toMatchObject({ model: SCRIPT.model });
    expect(new Set(bodies).size).toBe(bodies.length);
  });
});

/** Takes 1,000 bytes of a stream at a time, and keeps request bodies. */
async function smallWindowServer(onBody: (body: string) => void): Promise<number> {
  const server: Http2Server = createServer({ settings: { initialWindowSize: 1_000 } });
  server.on("stream", (stream: ServerHttp2Stream) => {
    const pieces: Buffer[] = [];
    const reader = new GrpcFrameReader({
      messageSizeMax: 1_000_000,
      onMessage: (bytes) => {
        const message = decodeProcessingRequest(bytes);
        if (message.kind !== "requestBody") return;
        pieces.push(message.body);
        if (message.endOfStream) onBody(Buffer.concat(pieces).toString());
      },
    });
    stream.on("data", (bytes: Buffer) => reader.push(bytes));
    stream.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => new Promise((resolve) => server.close(() => resolve())));
  return (server.address() as AddressInfo).port;
}

describe("the program", () => {
  it("drives a target from two threads and prints the result", async () => {
    const port = await bareServer();
    const program = runProgram("../bench/load/main.js", [
      ...["--target", `127.0.0.1:${port}`, "--threads", "2", "--pid", String(process.pid), "--json"],
      ...["--duration", "300ms", "--exchanges", "10", "--warm-up", "100ms", "--body-size", "1KB"],
    ]);
    expect(await program.ended, program.errors.join("\n")).toBe(0);
    const result = JSON.parse(program.output.join("\n")) as LoadResult;
    expect(result.errors).toEqual({});
    expect(result.completedCount).toBeGreaterThan(0);
    expect(result.server?.memoryBytes).toBeGreaterThan(0);
  });

  it("says what is wrong with the command line", async () => {
    const program = runProgram("../bench/load/main.js", ["--target", "nowhere"]);
    expect(await program.ended).toBe(2);
    expect(program.errors.join("\n")).toContain('"nowhere" is not host:port');
  });
});
