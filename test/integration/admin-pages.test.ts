/** The pages of the metrics port of a picker that serves: what an operator sees, and what each thread tells. */

import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request as httpsRequest, Agent as TlsAgent } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { supportsReusePort } from "../../src/shards/pool.ts";
import { CA, CLIENT, SERVER } from "../support/certificates.ts";
import { closeEpps, LOOPBACK, startTestEpp, type TestEpp } from "../support/epp.ts";
import { ExtProcClient } from "../support/ext-proc-client.ts";
import { chatBody } from "../support/ext-proc-messages.ts";
import { addressesOf, closeSimulators, startSimulators } from "../support/fleet-of-simulators.ts";
import { until } from "../support/until.ts";

const clients: ExtProcClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await closeEpps();
  await closeSimulators();
});

const PROMPT = "Tell me a story about birds. ".repeat(100);
const SECRET = "the secret of the prompt";

function connect(epp: TestEpp): ExtProcClient {
  const client = new ExtProcClient(epp.grpcPort);
  clients.push(client);
  return client;
}

async function get(epp: TestEpp, pathAndQuery: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://${LOOPBACK}:${epp.metricsPort}${pathAndQuery}`);
  return { status: response.status, text: await response.text() };
}

async function getJson<Value>(epp: TestEpp, pathAndQuery: string): Promise<Value> {
  const { status, text } = await get(epp, pathAndQuery);
  expect(status, text).toBe(200);
  return JSON.parse(text) as Value;
}

interface Health {
  readonly phase: string;
  readonly isReady: boolean;
  readonly versions: Record<string, string>;
  readonly degraded: { code: string; subject: string; since: string; detail: string; remedy: string }[];
  readonly shards: { name: string; isListening: boolean; streamsOpen: number; inFlightRequests: number }[];
}

interface CpuProfile {
  readonly nodes: { readonly callFrame: { readonly functionName: string; readonly url: string } }[];
  readonly samples: number[];
  readonly timeDeltas: number[];
}

describe("/debug/", () => {
  it("lists every page, and each of them answers", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)));
    const { text } = await get(epp, "/debug/");
    const pages = text.trim().split("\n");
    expect(pages.map((line) => line.split(" ", 1)[0])).toEqual([
      "/metrics",
      "/debug/health",
      "/debug/endpoints",
      "/debug/plugins/state",
      "/debug/config",
      "/debug/pprof/profile",
      "/debug/pprof/heap",
      "/debug/pprof/heap-snapshot",
      "/debug/",
    ]);
    for (const line of pages) {
      const response = await fetch(`http://${LOOPBACK}:${epp.metricsPort}${line.split(" ", 1)[0]}`, { method: "HEAD" });
      expect(response.status, line).toBe(200);
    }
  });

  it("has no profiles when they are turned off", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)), { enablePprof: false });
    expect((await get(epp, "/debug/")).text).not.toContain("pprof");
    expect((await get(epp, "/debug/pprof/profile?seconds=1")).status).toBe(404);
  });
});

describe("/debug/health", () => {
  it("says that the picker serves, with versions and each shard's load", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(2)));
    const stream = connect(epp).open();
    await stream.ask(chatBody(PROMPT));
    const health = await getJson<Health>(epp, "/debug/health");
    expect(health).toMatchObject({ phase: "serving", isReady: true, isDraining: false, degraded: [] });
    expect(health.versions).toMatchObject({ node: process.version, picker: expect.stringMatching(/^\d+\.\d+\.\d+/) });
    expect(health.shards).toEqual([{ name: "shard-0", isListening: true, streamsOpen: 1, inFlightRequests: 1 }]);
    stream.cancel();
  });

  it("names an endpoint that is lost, with since, detail and remedy, and /debug/endpoints says why", async () => {
    const fleet = await startSimulators(2);
    const epp = await startTestEpp(addressesOf(fleet));
    await fleet[1]?.close();
    const [state] = await until("the loss is seen", async () => {
      const { degraded } = await getJson<Health>(epp, "/debug/health");
      return degraded.length > 0 && degraded;
    });
    expect(state).toMatchObject({
      code: "endpoints-unreachable",
      detail: "1 of 2 cannot be scraped: default/sim-1",
      since: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      remedy: expect.stringContaining("/debug/endpoints"),
    });
    const { endpoints } = await getJson<{ endpoints: { id: string; scrapeFailure?: string }[] }>(
      epp,
      "/debug/endpoints",
    );
    expect(endpoints.map(({ scrapeFailure }) => scrapeFailure)).toEqual([undefined, expect.stringMatching(/\w/)]);
  });

  it("says that the picker drains while it does", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)));
    const stream = connect(epp).open();
    await stream.ask(chatBody("hello"));
    const closed = epp.close(10_000);
    await until("it drains", async () => (await getJson<Health>(epp, "/debug/health")).phase === "draining");
    expect(await getJson<Health>(epp, "/debug/health")).toMatchObject({ isReady: false, isDraining: true });
    stream.cancel();
    await closed;
  });

  it.runIf(supportsReusePort())("has a row for each of several shards, and each can be profiled", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)), { shardCount: 2 });
    const { shards, degraded } = await getJson<Health>(epp, "/debug/health");
    expect(shards.map(({ name, isListening }) => [name, isListening])).toEqual([
      ["shard-0", true],
      ["shard-1", true],
    ]);
    expect(degraded).toEqual([]);
    const profiles = ["shard-0", "shard-1"].map((thread) =>
      get(epp, `/debug/pprof/profile?seconds=1&thread=${thread}`),
    );
    for (const profile of profiles) expect((await profile).status).toBe(200);
  });

  it.runIf(!supportsReusePort())("says when fewer shards run than were asked for", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)), { shardCount: 3 });
    const { degraded, shards } = await getJson<Health>(epp, "/debug/health");
    expect(degraded).toMatchObject([{ code: "fewer-shards", detail: expect.stringContaining("1 shard instead of 3") }]);
    expect(shards).toHaveLength(1);
  });
});

describe("/debug/endpoints", () => {
  it("shows what decisions see: address, labels, scraped values and age, what is in flight, blocks held", async () => {
    const fleet = await startSimulators(1);
    const epp = await startTestEpp(addressesOf(fleet));
    const stream = connect(epp).open();
    await stream.ask(chatBody(PROMPT));
    await until("the prompt is in the index", () => epp.counters.indexKeyCount > 0);
    const read = (): Promise<{ endpoints: Record<string, unknown>[] }> => getJson(epp, "/debug/endpoints");
    await until("it was scraped", async () => (await read()).endpoints[0]?.["scrapeAgeMs"] !== null);
    const { endpoints } = await read();
    expect(endpoints).toEqual([
      expect.objectContaining({
        id: "default/sim-0",
        address: `127.0.0.1:${fleet[0]?.address.port}`,
        labels: {},
        slot: 0,
        generation: 1,
        isReachable: true,
        inFlightRequests: 1,
        inFlightTokens: epp.counters.inFlightTokens(0),
        blocksHeld: epp.counters.indexKeyCount,
      }),
    ]);
    expect(endpoints[0]?.["scraped"]).toMatchObject({
      queueDepthRequests: 0,
      kvCacheUsageFraction: expect.any(Number),
    });
    expect(endpoints[0]?.["scrapeAgeMs"]).toBeGreaterThanOrEqual(0);
    stream.cancel();
  });

  it("is well-formed for an empty pool", async () => {
    const epp = await startTestEpp([]);
    expect(await getJson(epp, "/debug/endpoints")).toEqual({ endpoints: [] });
    expect((await getJson<Health>(epp, "/debug/health")).degraded).toMatchObject([{ code: "no-endpoints" }]);
  });

  it("does not wait for an index writer that is dead", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)));
    await epp.killIndexWriter();
    const { endpoints } = await getJson<{ endpoints: { blocksHeld: number | null }[] }>(epp, "/debug/endpoints");
    expect([null, 0]).toContain(endpoints[0]?.blocksHeld);
  });
});

describe("/debug/plugins/state and /debug/config", () => {
  it("tell of the control thread and each shard, and never of a prompt", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)));
    await connect(epp).ask(chatBody(SECRET));
    const states = await getJson<Record<string, unknown>>(epp, "/debug/plugins/state");
    expect(Object.keys(states)).toEqual(["control", "shard-0"]);
    expect(await getJson(epp, "/debug/config")).toMatchObject({ plugins: expect.any(Array) });
    for (const page of ["/metrics", "/debug/health", "/debug/endpoints", "/debug/plugins/state", "/debug/config"]) {
      expect((await get(epp, page)).text, page).not.toContain("secret");
    }
  });
});

describe("/debug/pprof/", () => {
  const profileOf = (epp: TestEpp, thread: string): Promise<CpuProfile> =>
    getJson(epp, `/debug/pprof/profile?seconds=1&thread=${thread}`);

  it("profiles every thread at once, while requests are served and other pages answer", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(2)));
    const client = connect(epp);
    const profiles = Promise.all(["control", "shard-0", "index-writer"].map((thread) => profileOf(epp, thread)));
    let isOver = false;
    void profiles.finally(() => {
      isOver = true;
    });
    let answers = 0;
    while (!isOver) {
      await client.ask(chatBody(PROMPT));
      expect((await get(epp, "/debug/health")).status).toBe(200);
      answers++;
    }
    expect(answers).toBeGreaterThan(5);
    const [control, shard, writer] = await profiles;
    for (const { nodes, samples, timeDeltas } of [control, shard, writer] as CpuProfile[]) {
      expect(nodes.length).toBeGreaterThan(3);
      expect(samples.length).toBeGreaterThan(100);
      expect(timeDeltas).toHaveLength(samples.length);
    }
    // Each profile is of its own thread.
    const files = (profile: CpuProfile | undefined): string =>
      (profile?.nodes ?? []).map(({ callFrame }) => callFrame.url).join("\n");
    expect(files(shard)).toContain("extproc/");
    expect(files(control)).not.toContain("extproc/conversation");
    expect(files(writer)).toContain("index-writer");
    expect(files(shard)).not.toContain("index-writer");
  });

  it("heap profiles and snapshots are files of V8's forms, of any thread", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)));
    expect(await getJson(epp, "/debug/pprof/heap?seconds=1&thread=shard-0")).toMatchObject({ head: expect.anything() });
    for (const thread of ["control", "shard-0", "index-writer"]) {
      const snapshot = await getJson<{ nodes: number[]; snapshot: { meta: object } }>(
        epp,
        `/debug/pprof/heap-snapshot?thread=${thread}`,
      );
      expect(snapshot.nodes.length, thread).toBeGreaterThan(10_000);
      expect(snapshot.snapshot.meta, thread).toHaveProperty("node_fields");
    }
  }, 30_000);

  it.each([
    "profile?seconds=0",
    "profile?seconds=301",
    "profile?seconds=-1",
    "profile?seconds=1e2",
    "profile?seconds=ten",
    "profile?seconds=",
    "profile?seconds=1&thread=shard-9",
    "profile?seconds=1&thread=",
    "heap?seconds=0.5",
    "heap-snapshot?thread=%00",
  ])("%s is 400 with what would be right", async (query) => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)));
    const { status, text } = await get(epp, `/debug/pprof/${query}`);
    expect(status).toBe(400);
    expect(text).toMatch(/is not a whole number from 1 to 300|is none of control, shard-0, index-writer/);
  });

  it("a second capture of the same thread is 409; when the first asker leaves, there is room again", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)));
    for (const thread of ["control", "shard-0"]) {
      const abort = new AbortController();
      const url = `http://${LOOPBACK}:${epp.metricsPort}/debug/pprof/profile?seconds=300&thread=${thread}`;
      const first = fetch(url, { signal: abort.signal }).catch(() => undefined);
      const second = `/debug/pprof/heap?seconds=1&thread=${thread}`;
      const refused = await until("the first one has begun", async () => {
        const answer = await get(epp, second);
        return answer.status === 409 && answer.text;
      });
      expect(refused).toBe(`a capture of ${thread} is under way; one at a time\n`);
      abort.abort();
      await first;
      await until("there is room again", async () => (await get(epp, second)).status === 200);
    }
  }, 30_000);

  it("a shard that dies while it is profiled ends the answer, and its successor can be asked", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)));
    const asked = get(epp, "/debug/pprof/profile?seconds=300&thread=shard-0");
    await until(
      "it has begun",
      async () => (await get(epp, "/debug/pprof/heap-snapshot?thread=shard-0")).status === 409,
    );
    await epp.shards.kill(0);
    expect(await asked).toEqual({ status: 503, text: "shard-0 ended before its answer did\n" });
    await until("the shard is back", () => epp.shards.isListening(0));
    expect((await profileOf(epp, "shard-0")).nodes.length).toBeGreaterThan(0);
  }, 30_000);
});

describe("metrics over TLS", () => {
  it("with a client CA, only its clients see the pages", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "magpie-test-"));
    try {
      writeFileSync(path.join(folder, "tls.crt"), SERVER.certificate);
      writeFileSync(path.join(folder, "tls.key"), SERVER.key);
      writeFileSync(path.join(folder, "ca.crt"), CA);
      const epp = await startTestEpp(addressesOf(await startSimulators(1)), {
        metricsCertDir: folder,
        metricsClientCaFile: path.join(folder, "ca.crt"),
      });
      const ask = async (agent: TlsAgent): Promise<number | undefined> => {
        const call = httpsRequest({ host: LOOPBACK, port: epp.metricsPort, path: "/metrics", agent }).end();
        const [response] = (await once(call, "response")) as [IncomingMessage];
        response.resume();
        return response.statusCode;
      };
      const known = new TlsAgent({ ca: CA, cert: CLIENT.certificate, key: CLIENT.key });
      expect(await ask(known)).toBe(200);
      await expect(ask(new TlsAgent({ ca: CA }))).rejects.toThrow();
      known.destroy();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
