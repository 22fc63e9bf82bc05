import { describe, expect, test } from "vitest";
import { type Clock, ManualClock } from "../../../src/base/clock.ts";
import { Prng } from "../../../src/base/prng.ts";
import { Engine, type EngineJob, type EngineRequest } from "../../../src/simulator/engine.ts";
import { resolveOptions, type SimulatorOptions } from "../../../src/simulator/options.ts";

/** Round numbers: a prompt of n tokens has its first token after 10 + n ms, each further one 5 ms later. */
const ROUND: SimulatorOptions = { prefillOverheadMs: 10, prefillTokenMs: 1, interTokenMs: 5, loadFactorMax: 1 };

/** An engine whose events are written down as "<name> <token> @<ms>". */
class Bench {
  readonly clock: ManualClock = new ManualClock();
  readonly events: string[] = [];
  readonly engine: Engine;

  constructor(options: SimulatorOptions = {}, clock: Clock = this.clock) {
    this.engine = new Engine(resolveOptions({ ...ROUND, clock, ...options }));
  }

  submit(name: string, request: Partial<EngineRequest> = {}): EngineJob {
    const note = (what: string): void => void this.events.push(`${name} ${what} @${this.clock.nowMs()}`);
    return this.engine.submit(engineRequest({ prompt: prompt(name, 16), ...request }), {
      onToken: (index) => note(String(index)),
      onFinished: () => note("end"),
    });
  }

  /** When each request had its first token. */
  get starts(): string[] {
    return this.events.filter((event) => event.includes(" 0 @")).map((event) => event.replace(" 0 ", " "));
  }
}

function engineRequest(fields: Partial<EngineRequest>): EngineRequest {
  const defaults = { model: "m", adapter: undefined, cacheSalt: "", replyPrefix: "", prompt: prompt("x", 16) };
  return { ...defaults, reply: reply(2), ...fields };
}

/** A prompt of so many tokens that differs from others in its first. */
function prompt(name: string, tokens: number): Buffer {
  return Buffer.from(name.padEnd(tokens * 4, "."));
}

function reply(tokenCount: number, finishReason: "stop" | "length" = "stop"): EngineRequest["reply"] {
  return { text: "tok ".repeat(tokenCount), tokenCount, finishReason };
}

describe("timing", () => {
  test("a lone request: overhead, prefill per token, then one token per inter-token time", () => {
    const bench = new Bench();
    bench.submit("a", { prompt: prompt("a", 100), reply: reply(3) });
    bench.clock.advance(1000);
    expect(bench.events).toEqual(["a 0 @110", "a 1 @115", "a 2 @120", "a end @120"]);
  });

  test("a prompt whose last token is not whole counts it", () => {
    const bench = new Bench();
    bench.submit("a", { prompt: Buffer.alloc(5, "a"), reply: reply(1) });
    bench.clock.advance(1000);
    expect(bench.starts).toEqual(["a @12"]);
  });

  test("cached tokens need no prefill", () => {
    const bench = new Bench();
    bench.submit("a", { prompt: prompt("a", 100), reply: reply(1) });
    bench.clock.advance(1000);
    const again = bench.submit("a", { prompt: prompt("a", 100), reply: reply(1) });
    expect(again.cachedTokens).toBe(96);
    bench.clock.advance(1000);
    expect(bench.starts).toEqual(["a @110", "a @1014"]);
  });

  test("load stretches all times, by the load at the moment at which a span begins", () => {
    const bench = new Bench({ runningRequestsMax: 3, loadFactorMax: 3 });
    for (const name of ["a", "b", "c"]) bench.submit(name, { prompt: prompt(name, 10) });
    bench.clock.advance(1000);
    // Factors 1, 2, 3 for the prefill of 20 ms; decode of 5 ms under load 3, then 2, then 1.
    expect(bench.events).toEqual([
      "a 0 @20",
      "a 1 @35",
      "a end @35",
      "b 0 @40",
      "b 1 @50",
      "b end @50",
      "c 0 @60",
      "c 1 @65",
      "c end @65",
    ]);
  });

  test("the only place of an engine is not a loaded one", () => {
    const bench = new Bench({ runningRequestsMax: 1, loadFactorMax: 3 });
    bench.submit("a", { prompt: prompt("a", 10) });
    bench.clock.advance(1000);
    expect(bench.events.at(-1)).toBe("a end @25");
  });

  test("late timers do not add up", () => {
    const manual = new ManualClock();
    const late: Clock = {
      nowMs: () => manual.nowMs(),
      wallMs: () => manual.wallMs(),
      setTimeout: (task, delayMs) => manual.setTimeout(task, delayMs + 0.75),
      setInterval: (task, periodMs) => manual.setInterval(task, periodMs),
    };
    const tokenTimes: number[] = [];
    const engine = new Engine(resolveOptions({ ...ROUND, clock: late }));
    engine.submit(engineRequest({ prompt: prompt("a", 10), reply: reply(50) }), {
      onToken: () => tokenTimes.push(manual.nowMs()),
      onFinished() {},
    });
    manual.advance(10_000);
    expect(tokenTimes).toHaveLength(50);
    expect(tokenTimes.at(-1)).toBeCloseTo(20 + 49 * 5 + 0.75, 6);
  });
});

describe("the queue", () => {
  test("requests beyond the places wait and start in the order of arrival", () => {
    const bench = new Bench({ runningRequestsMax: 2 });
    for (const name of ["a", "b", "c", "d"]) bench.submit(name);
    expect([bench.engine.runningRequests, bench.engine.waitingRequests]).toEqual([2, 2]);
    bench.clock.advance(1000);
    // 26 ms of prefill and 5 ms of decode each.
    expect(bench.starts).toEqual(["a @26", "b @26", "c @57", "d @57"]);
    expect([bench.engine.runningRequests, bench.engine.waitingRequests]).toEqual([0, 0]);
  });

  test("an abort of a running request gives its place away at once", () => {
    const bench = new Bench({ runningRequestsMax: 1 });
    const first = bench.submit("a");
    bench.submit("b");
    bench.clock.advance(10);
    first.abort();
    expect(bench.engine.waitingRequests).toBe(0);
    bench.clock.advance(1000);
    expect(bench.events).toEqual(["b 0 @36", "b 1 @41", "b end @41"]);
  });

  test("an aborted waiting request never starts", () => {
    const bench = new Bench({ runningRequestsMax: 1 });
    bench.submit("a");
    const second = bench.submit("b");
    bench.submit("c");
    second.abort();
    second.abort();
    bench.clock.advance(1000);
    expect(bench.starts).toEqual(["a @26", "c @57"]);
    expect(bench.engine.statistics.finishedRequests).toEqual({ stop: 2, length: 0, abort: 1 });
  });

  test("a request whose blocks do not fit holds up those behind it, even small ones", () => {
    const bench = new Bench({ kvCacheBlocks: 10, contextTokensMax: 160 });
    bench.submit("large", { prompt: prompt("large", 90), reply: reply(6) });
    bench.submit("larger", { prompt: prompt("larger", 120), reply: reply(1) });
    bench.submit("small", { prompt: prompt("small", 16), reply: reply(1) });
    expect([bench.engine.runningRequests, bench.engine.waitingRequests]).toEqual([1, 2]);
    bench.clock.advance(1000);
    // The first ends at 100 + 5 · 5 = 125 ms; then both others fit.
    expect(bench.starts).toEqual(["large @100", "small @151", "larger @255"]);
  });

  test("an abort can be the listener's answer to a token", () => {
    const bench = new Bench();
    const job: EngineJob = bench.engine.submit(engineRequest({ reply: reply(9) }), {
      onToken: (index) => {
        bench.events.push(String(index));
        if (index === 1) job.abort();
      },
      onFinished: () => bench.events.push("end"),
    });
    bench.clock.advance(1000);
    expect(bench.events).toEqual(["0", "1"]);
    expect(bench.engine.statistics.finishedRequests.abort).toBe(1);
  });

  test("the death of the engine ends all requests and leaves no timer", () => {
    const bench = new Bench({ runningRequestsMax: 1 });
    for (const name of ["a", "b", "c"]) bench.submit(name);
    bench.engine.abortAll();
    expect(bench.clock.pendingCount).toBe(0);
    expect([bench.engine.runningRequests, bench.engine.waitingRequests]).toEqual([0, 0]);
    expect(bench.engine.cache.usedBlocks).toBe(0);
  });
});

describe("adapters", () => {
  test("a request for one adapter too many waits, and others pass it", () => {
    const bench = new Bench({ runningAdaptersMax: 1 });
    bench.submit("a", { adapter: "red", model: "red" });
    bench.submit("b", { adapter: "blue", model: "blue" });
    bench.submit("c", { adapter: "red", model: "red" });
    bench.submit("d");
    expect(bench.engine.runningAdapters).toEqual(["red"]);
    expect(bench.engine.waitingAdapters).toEqual(["blue"]);
    bench.clock.advance(1000);
    expect(bench.starts).toEqual(["a @26", "c @26", "d @26", "b @57"]);
    expect(bench.engine.runningAdapters).toEqual([]);
  });

  test("an adapter keeps its place until the last request for it has ended", () => {
    const bench = new Bench({ runningAdaptersMax: 1 });
    const first = bench.submit("a", { adapter: "red", model: "red" });
    const second = bench.submit("b", { adapter: "red", model: "red" });
    bench.submit("c", { adapter: "blue", model: "blue" });
    first.abort();
    expect(bench.engine.runningAdapters).toEqual(["red"]);
    second.abort();
    expect(bench.engine.runningAdapters).toEqual(["blue"]);
  });
});

describe("the KV cache", () => {
  /** Cached tokens of a second request after a first one has ended. */
  function cachedAfter(first: Partial<EngineRequest>, second: Partial<EngineRequest>): number {
    const bench = new Bench();
    bench.submit("first", first);
    bench.clock.advance(10_000);
    const { cachedTokens } = bench.submit("second", second);
    return cachedTokens;
  }

  test.each([
    [1, 0],
    [16, 0],
    [17, 16],
    [32, 16],
    [33, 32],
    [100, 96],
  ])("of a repeated prompt of %d tokens, %d are cached: whole blocks, and never the last token", (tokens, cached) => {
    expect(cachedAfter({ prompt: prompt("a", tokens) }, { prompt: prompt("a", tokens) })).toBe(cached);
  });

  test("a prompt that differs later shares what comes before", () => {
    const shared = "s".repeat(200);
    const first = { prompt: Buffer.from(`${shared}one${"x".repeat(100)}`) };
    const second = { prompt: Buffer.from(`${shared}two${"x".repeat(100)}`) };
    expect(cachedAfter(first, second)).toBe(48);
  });

  test("another model and another salt share nothing", () => {
    const same = { prompt: prompt("a", 100) };
    expect(cachedAfter(same, { ...same, model: "n" })).toBe(0);
    expect(cachedAfter(same, { ...same, cacheSalt: "tenant" })).toBe(0);
  });

  test("a reply that comes back within the next prompt is cached", () => {
    const first = { prompt: prompt("a", 20), replyPrefix: "assistant", reply: reply(40) };
    const next = Buffer.concat([prompt("a", 20), Buffer.from(`assistant${"tok ".repeat(40)}user: and then?`)]);
    // 80 + 9 + 160 bytes are 3 whole blocks of 64.
    expect(cachedAfter(first, { prompt: next })).toBe(48);
  });

  test("of an aborted reply, what had been produced is cached", () => {
    const bench = new Bench();
    const job = bench.submit("a", { prompt: prompt("a", 16), reply: reply(100) });
    // First token after 26 ms, so 33 tokens by 26 + 32 · 5 ms.
    bench.clock.advance(26 + 32 * 5);
    job.abort();
    const next = Buffer.concat([prompt("a", 16), Buffer.from("tok ".repeat(100))]);
    expect(bench.submit("b", { prompt: next }).cachedTokens).toBe(16 + 32);
  });

  test("usage grows with the reply and falls to zero at its end", () => {
    const bench = new Bench({ kvCacheBlocks: 10, contextTokensMax: 160 });
    bench.submit("a", { prompt: prompt("a", 24), reply: reply(40) });
    const usage = (): number => bench.engine.cache.usageFraction;
    expect(usage()).toBe(0.2);
    // 34 ms to the first token; 24 + 9 tokens are 3 blocks.
    bench.clock.advance(34 + 8 * 5);
    expect(usage()).toBe(0.3);
    bench.clock.advance(1000);
    expect(usage()).toBe(0);
    expect(bench.engine.cache.findableBlocks).toBe(4);
  });
});

test("statistics count tokens, hits, ends and times", () => {
  const bench = new Bench();
  bench.submit("a", { prompt: prompt("a", 100), reply: reply(3) });
  bench.clock.advance(1000);
  bench.submit("a", { prompt: prompt("a", 100), reply: reply(2, "length") });
  bench.clock.advance(1000);
  const { statistics } = bench.engine;
  expect(statistics.prefixQueryTokens).toBe(200);
  expect(statistics.prefixHitTokens).toBe(96);
  expect(statistics.promptTokens).toBe(200);
  expect(statistics.generationTokens).toBe(5);
  expect(statistics.finishedRequests).toEqual({ stop: 1, length: 1, abort: 0 });
  expect(statistics.timeToFirstTokenSeconds.sum).toBeCloseTo(0.11 + 0.014, 9);
  expect(statistics.interTokenSeconds.sum).toBeCloseTo(0.015, 9);
  expect(statistics.requestSeconds.sum).toBeCloseTo(0.12 + 0.019, 9);
});

// Strategy: a seeded script of arrivals and aborts over two models and shared prefixes, with few places, few blocks and
// one adapter place, so that every reason to wait occurs. Checks limits at each step, that everything is given back at
// the end, and that a second run of the same script has the same events.
describe("a random script", () => {
  const seed = 4711;
  const stepCount = 2000;

  function run(scriptSeed: number): Bench {
    const prng = new Prng(scriptSeed);
    const options = { runningRequestsMax: 4, runningAdaptersMax: 1, kvCacheBlocks: 24, contextTokensMax: 256 };
    const bench = new Bench({ ...options, loadFactorMax: 2 });
    const jobs: EngineJob[] = [];
    for (let step = 0; step < stepCount; step++) {
      const adapter = [undefined, "red", "blue"][prng.nextBelow(3)];
      const tokens = 1 + prng.nextBelow(150);
      const request = { prompt: prompt(`p${prng.nextBelow(5)}`, tokens), reply: reply(1 + prng.nextBelow(60)) };
      if (prng.nextFraction() < 0.6)
        jobs.push(bench.submit(`r${step}`, { adapter, model: adapter ?? "m", ...request }));
      if (prng.nextFraction() < 0.2) jobs.at(-1 - prng.nextBelow(10))?.abort();
      bench.clock.advance(prng.nextBelow(200));
      expect(bench.engine.runningRequests, `seed ${scriptSeed}, step ${step}`).toBeLessThanOrEqual(4);
      expect(bench.engine.runningAdapters.length, `seed ${scriptSeed}, step ${step}`).toBeLessThanOrEqual(1);
      expect(bench.engine.cache.usageFraction, `seed ${scriptSeed}, step ${step}`).toBeLessThanOrEqual(1);
    }
    while (bench.clock.advanceToNext());
    const { stop, abort } = bench.engine.statistics.finishedRequests;
    expect(stop + abort, `seed ${scriptSeed}`).toBe(jobs.length);
    return bench;
  }

  test("gives back all it took and repeats event by event", () => {
    const bench = run(seed);
    expect([bench.engine.runningRequests, bench.engine.waitingRequests]).toEqual([0, 0]);
    expect(bench.engine.cache.usedBlocks).toBe(0);
    expect(bench.engine.statistics.finishedRequests.abort).toBeGreaterThan(50);
    expect(bench.engine.statistics.prefixHitTokens).toBeGreaterThan(1000);
    expect(run(seed).events).toEqual(bench.events);
    expect(run(seed + 1).events).not.toEqual(bench.events);
  });
});
