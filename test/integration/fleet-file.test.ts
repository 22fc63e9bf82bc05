/** A picker whose endpoints file changes while it serves, with real servers, shards and index writer. */
import { writeFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import type { Simulator } from "../../src/simulator/simulator.ts";
import { closeEpps, LOOPBACK, startTestEpp, type TestEpp, writeEndpointsFile } from "../support/epp.ts";
import { ExtProcClient } from "../support/ext-proc-client.ts";
import { chatBody } from "../support/ext-proc-messages.ts";
import { closeSimulators, nameOf, startSimulators } from "../support/fleet-of-simulators.ts";
import { readMetric } from "../support/metrics.ts";
import { until } from "../support/until.ts";

const READS = "endpoint_picker_endpoints_file_reads_total";
const BLOCKS = "endpoint_picker_index_blocks";

const clients: ExtProcClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await closeEpps();
  await closeSimulators();
});

interface Entry {
  readonly name: string;
  readonly port: number;
  readonly labels?: Readonly<Record<string, string>>;
}

interface Bed {
  readonly fleet: readonly Simulator[];
  readonly epp: TestEpp;
  readonly client: ExtProcClient;
  readonly file: string;
  /** Writes the file anew and waits until it is in force. */
  write(entries: readonly Entry[]): Promise<void>;
}

function entryOf({ name, address: { port } }: Simulator): Entry {
  return { name, port };
}

const document = (entries: readonly Entry[]): string =>
  JSON.stringify({ endpoints: entries.map((entry) => ({ address: LOOPBACK, ...entry })) });

async function startBed(serverCount: number, inFile: number = serverCount): Promise<Bed> {
  const fleet = await startSimulators(serverCount, { adapters: ["ada", "bob"] });
  const file = writeEndpointsFile(document(fleet.slice(0, inFile).map(entryOf)));
  const epp = await startTestEpp([], { endpointsFile: file });
  const client = new ExtProcClient(epp.grpcPort);
  clients.push(client);
  const isKnown = (): boolean => epp.endpoints.endpoints.every(({ scraped }) => scraped !== undefined);
  await until("a first scrape of each", isKnown);
  return {
    fleet,
    epp,
    client,
    file,
    async write(entries) {
      const reads = epp.logLines.filter(({ msg }) => msg === "endpoints file was read again").length;
      writeFileSync(file, document(entries));
      await until("the file is read again", () => {
        return epp.logLines.filter(({ msg }) => msg === "endpoints file was read again").length > reads;
      });
      await until("a scrape of each", isKnown);
    },
  };
}

/** Asks once, and lets the request end. */
async function ask({ client, fleet }: Bed, prompt: string): Promise<string> {
  const stream = client.open();
  const answer = await stream.ask(chatBody(prompt));
  stream.cancel();
  return answer.kind === "routed" ? nameOf(fleet, answer.destination) : answer.text;
}

let asked = 0;

/** Names of the servers that open requests, all at once and each with a new prompt, are spread over. */
async function namesOf(bed: Pick<Bed, "client" | "fleet">, requests: number): Promise<Set<string>> {
  const streams = Array.from({ length: requests }, () => bed.client.open());
  const answers = await Promise.all(streams.map((stream) => stream.ask(chatBody(`${asked++}. question`))));
  for (const stream of streams) stream.cancel();
  return new Set(
    answers.map((answer) => (answer.kind === "routed" ? nameOf(bed.fleet, answer.destination) : answer.text)),
  );
}

/** Some 20 blocks. */
const PROMPT = "The same long prompt, again and again. ".repeat(130);

async function untilHeld({ epp }: Bed, isHeld: boolean): Promise<void> {
  await until(`the index ${isHeld ? "has" : "has not"} the prompt`, async () => {
    return ((await readMetric(epp.metricsPort, BLOCKS)) ?? 0) > 0 === isHeld;
  });
}

describe("an endpoints file that changes while the picker serves", () => {
  it("adds and removes servers; no restart, no request lost", async () => {
    const bed = await startBed(3, 2);
    const [first, second, third] = bed.fleet.map(entryOf) as [Entry, Entry, Entry];
    expect(await namesOf(bed, 12)).toEqual(new Set(["sim-0", "sim-1"]));
    await bed.write([first, second, third]);
    expect(await namesOf(bed, 12)).toEqual(new Set(["sim-0", "sim-1", "sim-2"]));
    await bed.write([third]);
    expect(await namesOf(bed, 6)).toEqual(new Set(["sim-2"]));
    expect(await readMetric(bed.epp.metricsPort, READS, { outcome: "success" })).toBe(2);
    await bed.write([]);
    expect(bed.epp.degraded.list().map(({ code }) => code)).toContain("no-endpoints");
  });

  it("with a fault keeps the fleet, says where the fault is, and recovers", async () => {
    const bed = await startBed(1);
    writeFileSync(bed.file, `endpoints:\n- {name: sim-0, address: 127.0.0.1, port: none}\n`);
    const state = await until("the degraded state", () => {
      return bed.epp.degraded.list().find(({ code }) => code === "endpoints-file-bad");
    });
    expect(state.detail).toBe(`${bed.file}:2:43: endpoints[0].port: must be a port, 1 to 65535 (it is "none")`);
    expect(bed.epp.logLines).toContainEqual(expect.objectContaining({ state: "endpoints-file-bad", level: 40 }));
    expect(await namesOf(bed, 3)).toEqual(new Set(["sim-0"]));
    expect(await readMetric(bed.epp.metricsPort, READS, { outcome: "failure" })).toBe(1);
    await bed.write([entryOf(bed.fleet[0] as Simulator)]);
    expect(bed.epp.degraded.list().map(({ code }) => code)).not.toContain("endpoints-file-bad");
  });

  it("a server that is listed again inherits nothing of what it held", async () => {
    const bed = await startBed(2);
    const [first, second] = bed.fleet.map(entryOf) as [Entry, Entry];
    const holder = await ask(bed, PROMPT);
    await untilHeld(bed, true);
    expect(await ask(bed, PROMPT)).toBe(holder);
    expect(bed.epp.decisionLines.at(-1)).toMatch(/holds \d+ of \d+ prompt blocks/);

    await bed.write(holder === "sim-0" ? [second] : [first]);
    await untilHeld(bed, false);
    await bed.write([first, second]);
    await ask(bed, PROMPT);
    expect(bed.epp.decisionLines.at(-1)).toContain("is new to it");
  });

  it("another server under a name that is known inherits nothing", async () => {
    const bed = await startBed(2, 1);
    const [first, second] = bed.fleet.map(entryOf) as [Entry, Entry];
    expect(await ask(bed, PROMPT)).toBe("sim-0");
    await untilHeld(bed, true);
    await bed.write([{ ...second, name: first.name }]);
    expect(await ask(bed, PROMPT)).toBe("sim-1");
    expect(bed.epp.decisionLines.at(-1)).toContain("is new to it");
  });

  it("a server whose labels change keeps its slot and what it holds", async () => {
    const bed = await startBed(1);
    const entry = entryOf(bed.fleet[0] as Simulator);
    await ask(bed, PROMPT);
    await untilHeld(bed, true);
    const before = bed.epp.endpoints.endpoints[0];
    await bed.write([{ ...entry, labels: { zone: "a" } }]);
    expect(bed.epp.endpoints.endpoints[0]).toBe(before);
    expect(before?.spec.labels).toEqual({ zone: "a" });
    await ask(bed, PROMPT);
    expect(bed.epp.decisionLines.at(-1)).toMatch(/holds \d+ of \d+ prompt blocks/);
  });
});

describe("what is known of a server", () => {
  it("its adapters, its cache and its load are read from its metrics", async () => {
    const { epp, fleet } = await startBed(1);
    fleet[0]?.setMetricOverrides({ "vllm:num_requests_waiting": 4, "vllm:kv_cache_usage_perc": 0.5 });
    const metrics = await until("the new load", () => {
      const { metrics: latest } = epp.endpoints.endpoints[0] ?? {};
      return latest?.queueDepthRequests === 4 ? latest : undefined;
    });
    expect(metrics).toMatchObject({
      kvCacheUsageFraction: 0.5,
      adapters: { running: [], waiting: [] },
      cacheBlockSizeTokens: expect.any(Number),
      cacheBlockCount: expect.any(Number),
    });
  });

  it("its label says which engine it runs, and another label another one", async () => {
    const bed = await startBed(1);
    const [server] = bed.fleet as [Simulator];
    server.setMetricOverrides({
      "vllm:num_requests_waiting": 1,
      "sglang:num_queue_reqs": 2,
      nv_inference_exec_count: 3,
    });
    const waiting = (): number | undefined => bed.epp.endpoints.endpoints[0]?.metrics?.queueDepthRequests;
    await until("vLLM's queue", () => waiting() === 1);
    await bed.write([{ ...entryOf(server), labels: { "llm-d.ai/engine-type": "sglang" } }]);
    await until("SGLang's queue", () => waiting() === 2);
    await bed.write([{ ...entryOf(server), labels: { "llm-d.ai/engine-type": "triton" } }]);
    await until("Triton's running requests", () => bed.epp.endpoints.endpoints[0]?.metrics?.runningRequests === 3);
    expect(waiting()).toBeUndefined();
  });

  it("an idle one is asked seldom, and at every tick again when a request is in flight", async () => {
    const { epp, client } = await startBed(1);
    const isBackedOff = (): boolean => epp.endpoints.endpoints[0]?.isBackedOff === true;
    await until("the back-off", isBackedOff);
    const stream = client.open();
    await stream.ask(chatBody("Wake up."));
    await until("the end of the back-off", () => !isBackedOff());
    const scrapes = async (): Promise<number> =>
      (await readMetric(epp.metricsPort, "endpoint_picker_scrapes_total", { outcome: "success" })) ?? 0;
    const before = await scrapes();
    await until("ten more scrapes", async () => (await scrapes()) >= before + 10);
    expect(isBackedOff()).toBe(false);
    stream.cancel();
    await until("the back-off again", isBackedOff);
  });

  it("one that answers without a word of its load is left out, which is counted by itself", async () => {
    const { epp, fleet, client } = await startBed(2);
    const silent = { "vllm:num_requests_waiting": "absent", "vllm:num_requests_running": "absent" } as const;
    fleet[0]?.setMetricOverrides({ ...silent, "vllm:kv_cache_usage_perc": "absent" });
    await until("the silent one is out", () => epp.endpoints.reachableCount === 1);
    expect(await namesOf({ fleet, client }, 4)).toEqual(new Set(["sim-1"]));
    expect(
      await readMetric(epp.metricsPort, "llm_d_epp_datalayer_extract_errors_total", {
        source_type: "metrics-data-source",
        extractor_type: "core-metrics-extractor",
      }),
    ).toBeGreaterThan(0);
  });
});
