/** How often the scraper asks: phases, retries, idle endpoints, sources with periods of their own. */
import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import type { EngineMetrics } from "../../../src/framework/data-sources.ts";
import type { ScrapePlan } from "../../../src/scrape/scrape-plan.ts";
import { defaultScrapePlan } from "../../support/scrape-plan.ts";
import { until } from "../../support/until.ts";
import {
  type Bed,
  closeScrapes,
  endpointAt,
  exposition,
  INTERVAL_MS,
  type Outcome,
  outcome,
  PLAN,
  serve,
  setUp,
  TIMEOUT_MS,
} from "./support.ts";

afterEach(closeScrapes);

const BACK_OFF_MS = 1_000;
const BACKING_OFF = defaultScrapePlan({ intervalMs: INTERVAL_MS, staleMs: 2_000, backsOff: true });

/** Moves the clock until there is one outcome more; returns the time between the last two requests. */
async function msToNext({ clock, outcomes }: Bed): Promise<number> {
  const before = outcomes.length;
  for (let step = 0; outcomes.length === before && step < 1_000; step++) {
    clock.advance(INTERVAL_MS / 5);
    // An answer takes some turns: time goes on meanwhile, but not much.
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  return sentAtMs(await outcome(outcomes, before + 1)) - sentAtMs(outcomes[before - 1]);
}

function sentAtMs(result: Outcome | undefined): number {
  if (result === undefined) throw new Error("nothing was sent before");
  return result.kind === "scraped" ? result.sent.scrapedAtMs : result.sentAtMs;
}

describe("ticks", () => {
  it("an endpoint is asked in the phase of its slot, the fleet's answers are spread over the tick", async () => {
    const asked: string[] = [];
    const { port } = await serve((request, response) => {
      asked.push(request.headers.host ?? "");
      response.end(exposition(1));
    });
    const bed = setUp();
    for (let slot = 0; slot < 5; slot++) bed.scraper.add(endpointAt(port, `sim-${slot}`, slot));
    await outcome(bed.outcomes, 5);
    const order: (string | undefined)[] = [];
    for (let phase = 1; phase <= 10; phase++) {
      bed.clock.advance(INTERVAL_MS / 5);
      await outcome(bed.outcomes, 5 + phase);
      order.push(bed.outcomes.at(-1)?.name);
    }
    const names = ["sim-1", "sim-2", "sim-3", "sim-4", "sim-0"];
    expect(order).toEqual([...names, ...names]);
    expect(asked).toHaveLength(15);
  });

  it("one timer serves all endpoints, and none when there is nobody", async () => {
    const { port } = await serve((_request, response) => response.end(exposition(1)));
    const { clock, scraper, outcomes } = setUp();
    expect(clock.pendingCount).toBe(0);
    const endpoints = [0, 1, 2].map((slot) => endpointAt(port, `sim-${slot}`, slot));
    for (const endpoint of endpoints) scraper.add(endpoint);
    await outcome(outcomes, 3);
    expect(clock.pendingCount).toBe(1);
    for (const endpoint of endpoints) scraper.remove(endpoint);
    expect(clock.pendingCount).toBe(0);
  });
});

describe("an endpoint that fails", () => {
  it("is asked again at the next tick, then after 2, 4, 8 and 16 ticks, then once a second", async () => {
    const { port } = await serve((_request, response) => response.writeHead(503).end());
    const bed = setUp();
    bed.scraper.add(endpointAt(port));
    await outcome(bed.outcomes, 1);
    const waits: number[] = [];
    for (let failure = 0; failure < 7; failure++) waits.push(await msToNext(bed));
    expect(waits).toEqual([50, 100, 200, 400, 800, 1_000, 1_000]);
  });

  it("is asked at the next tick also when its failure came late in the tick", async () => {
    let answer: ServerResponse | undefined;
    const { port } = await serve((_request, response) => (answer = response));
    const bed = setUp();
    bed.scraper.add(endpointAt(port));
    const held = await until("the request", () => answer);
    bed.clock.advance(INTERVAL_MS / 2 - 1);
    held.writeHead(503).end();
    await outcome(bed.outcomes, 1);
    answer = undefined;
    bed.clock.advance(INTERVAL_MS / 2 + 1);
    expect(bed.clock.nowMs()).toBe(INTERVAL_MS);
    await until("the next request", () => answer);
  });

  it("is asked each tick again after its first answer", async () => {
    let status = 503;
    const { port } = await serve((_request, response) => response.writeHead(status).end(exposition(0)));
    const bed = setUp();
    bed.scraper.add(endpointAt(port));
    await outcome(bed.outcomes, 1);
    for (let failure = 0; failure < 4; failure++) await msToNext(bed);
    status = 200;
    const waits: number[] = [];
    for (let scrape = 0; scrape < 4; scrape++) waits.push(await msToNext(bed));
    expect(waits).toEqual([800, 50, 50, 50]);
    expect(bed.outcomes.slice(-4).map(({ kind }) => kind)).toEqual(Array(4).fill("scraped"));
  });

  it("has failed when it answers with nothing of its engine, and the reason says what was looked for", async () => {
    const { port } = await serve((_request, response) => response.end("# TYPE up gauge\nup 1\n"));
    const { scraper, outcomes } = setUp();
    scraper.add(endpointAt(port));
    expect(await outcome(outcomes, 1)).toMatchObject({
      kind: "failed",
      failure: {
        source: "metrics",
        kind: "no-load",
        reason:
          'its exposition has none of engine "vllm": ' +
          "vllm:num_requests_waiting, vllm:num_requests_running, vllm:kv_cache_usage_perc",
      },
    });
  });

  it("has not, whatever it answers, when its engine is asked for no load", async () => {
    const { port } = await serve((_request, response) => response.end());
    const engine: EngineMetrics = {
      name: "vllm",
      queueDepthRequests: undefined,
      runningRequests: undefined,
      kvCacheUsageFraction: undefined,
    };
    const { scraper, outcomes } = setUp({ ...PLAN, metrics: PLAN.metrics && { ...PLAN.metrics, engines: [engine] } });
    scraper.add(endpointAt(port));
    expect(await outcome(outcomes, 1)).toMatchObject({ kind: "scraped", metrics: { queueDepthRequests: undefined } });
  });

  it("has failed when it answers with nothing at all", async () => {
    const { port } = await serve((_request, response) => response.end());
    const { scraper, outcomes } = setUp();
    scraper.add(endpointAt(port));
    expect(await outcome(outcomes, 1)).toMatchObject({ kind: "failed", failure: { kind: "no-load" } });
  });
});

describe("an idle endpoint", () => {
  /** One endpoint in slot 15, whose first rest is as long as the others. */
  async function idleBed(load = { waiting: 0, running: 0 }): Promise<Bed> {
    const { port } = await serve((_request, response) => response.end(exposition(load.waiting, load.running)));
    const bed = setUp(BACKING_OFF);
    bed.scraper.add(endpointAt(port, "sim", 15));
    await outcome(bed.outcomes, 1);
    return bed;
  }

  it("is asked once a second, which is told once", async () => {
    const bed = await idleBed();
    const waits = [];
    for (let scrape = 0; scrape < 4; scrape++) waits.push(await msToNext(bed));
    expect(waits).toEqual([BACK_OFF_MS, BACK_OFF_MS, BACK_OFF_MS, BACK_OFF_MS]);
    expect(bed.backOffs).toEqual([true]);
  });

  it("is asked at the next tick when requests are in flight, and counts as backed off until it has answered", async () => {
    const bed = await idleBed();
    bed.clock.advance(300);
    expect([bed.outcomes.length, bed.backOffs]).toEqual([1, [true]]);
    bed.inFlight.count = 1;
    bed.clock.advance(INTERVAL_MS);
    expect(bed.backOffs).toEqual([true]);
    expect(await outcome(bed.outcomes, 2)).toMatchObject({ sent: { scrapedAtMs: 350, inFlightAtScrape: 1 } });
    expect(bed.backOffs).toEqual([true, false]);
    expect([await msToNext(bed), await msToNext(bed)]).toEqual([INTERVAL_MS, INTERVAL_MS]);
    bed.inFlight.count = 0;
    expect(await msToNext(bed)).toBe(BACK_OFF_MS);
    expect(bed.backOffs).toEqual([true, false, true]);
  });

  it.each([
    { name: "requests wait in it", load: { waiting: 1, running: 0 } },
    { name: "requests run in it that others sent", load: { waiting: 0, running: 1 } },
  ])("is none while $name", async ({ load }) => {
    const bed = await idleBed(load);
    expect(await msToNext(bed)).toBe(INTERVAL_MS);
    expect(bed.backOffs).toEqual([]);
  });

  it("that others begin to use is asked each tick from the answer on that says so", async () => {
    const load = { waiting: 0, running: 0 };
    const bed = await idleBed(load);
    load.running = 2;
    expect(await msToNext(bed)).toBe(BACK_OFF_MS);
    expect(bed.backOffs).toEqual([true, false]);
    expect(await msToNext(bed)).toBe(INTERVAL_MS);
  });

  it("that dies is asked again as any other that fails", async () => {
    let isDead = false;
    const { port } = await serve((_request, response) => response.writeHead(isDead ? 500 : 200).end(exposition(0, 0)));
    const bed = setUp(BACKING_OFF);
    bed.scraper.add(endpointAt(port, "sim", 15));
    await outcome(bed.outcomes, 1);
    isDead = true;
    const waits = [];
    for (let scrape = 0; scrape < 3; scrape++) waits.push(await msToNext(bed));
    expect(waits).toEqual([BACK_OFF_MS, 50, 100]);
    expect(bed.backOffs).toEqual([true, false]);
  });

  it("rests at first for a share of a second that its slot gives, so that a fleet is not asked as one", async () => {
    const { port } = await serve((_request, response) => response.end(exposition(0, 0)));
    const bed = setUp(BACKING_OFF);
    for (let slot = 0; slot < 16; slot += 5) bed.scraper.add(endpointAt(port, `sim-${slot}`, slot));
    await outcome(bed.outcomes, 4);
    const times: number[] = [];
    for (let scrape = 5; scrape <= 8; scrape++) {
      await msToNext(bed);
      times.push(sentAtMs(bed.outcomes.at(-1)));
    }
    expect(times).toEqual([100, 400, 700, 1_000]);
  });

  it("is asked each tick when back-off is off", async () => {
    const { port } = await serve((_request, response) => response.end(exposition(0, 0)));
    const bed = setUp(PLAN);
    bed.scraper.add(endpointAt(port));
    await outcome(bed.outcomes, 1);
    expect(await msToNext(bed)).toBe(INTERVAL_MS);
    expect(bed.backOffs).toEqual([]);
  });
});

describe("a list of models", () => {
  const WITH_MODELS: ScrapePlan = {
    ...PLAN,
    models: {
      name: "models",
      scheme: "http",
      path: "/v1/models",
      port: undefined,
      tls: { insecureSkipVerify: true, caCertPath: undefined, clientCertPath: undefined, clientKeyPath: undefined },
      everyTicks: 4,
    },
  };

  it("is asked for in its own period, and goes with the metrics from then on", async () => {
    let models = ["base", "adapter"];
    let listed = 0;
    const { port } = await serve((request, response) => {
      if (request.url === "/metrics") return void response.end(exposition(1));
      listed++;
      response.end(JSON.stringify({ object: "list", data: models.map((id) => ({ id, object: "model" })) }));
    });
    const bed = setUp(WITH_MODELS);
    bed.scraper.add(endpointAt(port));
    const served = (): readonly string[] | undefined => {
      const last = bed.outcomes.at(-1);
      return last?.kind === "scraped" ? last.metrics.servedModels : undefined;
    };
    const next = async (): Promise<void> => {
      bed.clock.advance(INTERVAL_MS);
      await until("a scrape more", () => bed.outcomes.length > 0 && served() !== undefined);
    };
    await until("the first list", () => listed === 1);
    await next();
    const first = served();
    expect(first).toEqual(["base", "adapter"]);
    await next();
    expect(served()).toBe(first);
    models = ["base"];
    for (let tick = 2; tick < 4; tick++) await next();
    await until("the second list", () => listed === 2);
    await until("its models", async () => {
      await next();
      return served()?.length === 1;
    });
    expect(served()).toEqual(["base"]);
  });

  it("is asked for by endpoints in turns, so that not all are asked in one tick", async () => {
    const lists: string[] = [];
    const { port } = await serve((request, response) => {
      if (request.url !== "/metrics") lists.push(String(request.headers.host));
      response.end(request.url === "/metrics" ? exposition(1) : '{"data":[]}');
    });
    const bed = setUp(WITH_MODELS);
    // Of one phase, so that only the tick tells them apart.
    for (const slot of [0, 5, 10, 15]) bed.scraper.add(endpointAt(port, `sim-${slot}`, slot));
    await until("a list of each", () => lists.length === 4);
    await outcome(bed.outcomes, 4);
    const counts: number[] = [];
    for (let tick = 1; tick <= 7; tick++) {
      bed.clock.advance(INTERVAL_MS);
      await outcome(bed.outcomes, 4 + 4 * tick);
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
      counts.push(lists.length);
    }
    expect(counts).toEqual([4, 4, 4, 5, 6, 7, 8]);
  });

  it.each([
    { name: "no JSON", body: "<html>", reason: /^its list of models cannot be read: / },
    { name: "no list", body: '{"data":{}}', reason: 'its list of models cannot be read: it has no list "data"' },
    { name: "null", body: "null", reason: 'its list of models cannot be read: it has no list "data"' },
  ])("that is $name is a failure of its own", async ({ body, reason }) => {
    const { port } = await serve((request, response) =>
      response.end(request.url === "/metrics" ? exposition(1) : body),
    );
    const bed = setUp(WITH_MODELS);
    bed.scraper.add(endpointAt(port));
    await outcome(bed.outcomes, 2);
    const failed = bed.outcomes.find(({ kind }) => kind === "failed");
    expect(failed).toMatchObject({
      failure: { source: "models", kind: "unanswered", reason: expect.stringMatching(reason) },
    });
    expect(bed.outcomes.find(({ kind }) => kind === "scraped")).toMatchObject({ metrics: { queueDepthRequests: 1 } });
  });

  it("that is late does not hold up the metrics", async () => {
    const { port } = await serve((request, response) => {
      if (request.url === "/metrics") response.end(exposition(1));
    });
    const bed = setUp(WITH_MODELS);
    bed.scraper.add(endpointAt(port));
    await outcome(bed.outcomes, 1);
    for (let tick = 2; tick <= TIMEOUT_MS / INTERVAL_MS; tick++) {
      bed.clock.advance(INTERVAL_MS);
      await outcome(bed.outcomes, tick);
    }
    bed.clock.advance(INTERVAL_MS);
    await until("the failure", () => bed.outcomes.some(({ kind }) => kind === "failed"));
    expect(bed.outcomes.filter(({ kind }) => kind === "failed")).toMatchObject([{ failure: { source: "models" } }]);
  });
});

describe("engines", () => {
  const sglang = "# TYPE sglang:num_queue_reqs gauge\nsglang:num_queue_reqs 7\n";

  it.each([
    { labels: {}, depth: 1 },
    { labels: { "llm-d.ai/engine-type": "sglang" }, depth: 7 },
    { labels: { "inference.networking.k8s.io/engine-type": "sglang" }, depth: 7 },
    { labels: { "llm-d.ai/engine-type": "vllm", "inference.networking.k8s.io/engine-type": "sglang" }, depth: 1 },
    { labels: { "llm-d.ai/engine-type": "unheard-of" }, depth: 1 },
    { labels: { "llm-d.ai/engine-type": "" }, depth: 1 },
  ])("labels $labels", async ({ labels, depth }) => {
    const { port } = await serve((_request, response) => response.end(exposition(1) + sglang));
    const { scraper, outcomes } = setUp();
    const endpoint = endpointAt(port);
    endpoint.spec = { ...endpoint.spec, labels };
    scraper.add(endpoint);
    expect(await outcome(outcomes, 1)).toMatchObject({ metrics: { queueDepthRequests: depth } });
  });

  it("an endpoint that is relabelled is read by its new engine at once", async () => {
    const { port } = await serve((_request, response) => response.end(exposition(1) + sglang));
    const { scraper, outcomes } = setUp();
    const endpoint = endpointAt(port);
    scraper.add(endpoint);
    await outcome(outcomes, 1);
    endpoint.spec = { ...endpoint.spec, labels: { zone: "a" } };
    scraper.relabel(endpoint);
    endpoint.spec = { ...endpoint.spec, labels: { "llm-d.ai/engine-type": "sglang" } };
    scraper.relabel(endpoint);
    expect(await outcome(outcomes, 2)).toMatchObject({ metrics: { queueDepthRequests: 7 } });
  });

  it("another port and path than the endpoint's own", async () => {
    const { port } = await serve((request, response) => {
      expect(request.headers.host).toBe(`127.0.0.1:${port}`);
      response.end(request.url === "/engine/metrics" ? exposition(4) : "");
    });
    const { scraper, outcomes } = setUp({
      ...PLAN,
      metrics: PLAN.metrics && { ...PLAN.metrics, port, path: "/engine/metrics" },
    });
    scraper.add(endpointAt(1));
    expect(await outcome(outcomes, 1)).toMatchObject({ metrics: { queueDepthRequests: 4 } });
  });
});
