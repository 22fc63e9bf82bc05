import { afterEach, describe, expect, it } from "vitest";
import type { Simulator } from "../../src/simulator/simulator.ts";
import { closeEpps, startTestEpp, type TestEpp } from "../support/epp.ts";
import { ExtProcClient } from "../support/ext-proc-client.ts";
import { chatBody } from "../support/ext-proc-messages.ts";
import { addressesOf, closeSimulators, nameOf, startSimulators } from "../support/fleet-of-simulators.ts";
import { readMetric, readMetrics } from "../support/metrics.ts";
import { until } from "../support/until.ts";

const TRANSITIONS = "endpoint_picker_endpoint_transitions_total";
const ALL_UNREACHABLE = "endpoint_picker_picks_all_unreachable_total";

const clients: ExtProcClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await closeEpps();
  await closeSimulators();
});

interface Bed {
  readonly fleet: readonly Simulator[];
  readonly epp: TestEpp;
  readonly client: ExtProcClient;
}

async function startBed(serverCount: number): Promise<Bed> {
  const fleet = await startSimulators(serverCount);
  const epp = await startTestEpp(addressesOf(fleet));
  const client = new ExtProcClient(epp.grpcPort);
  clients.push(client);
  await untilReachable(epp, serverCount);
  return { fleet, epp, client };
}

/** Waits until so many endpoints answer their scrapes, each of them known by at least one. */
async function untilReachable(epp: TestEpp, count: number): Promise<void> {
  await until(`${count} endpoints are reachable`, () => {
    const { endpoints, reachableCount } = epp.endpoints;
    return reachableCount === count && endpoints.every(({ scraped, isReachable }) => scraped || !isReachable);
  });
}

/** Names of the servers that open requests, all at once, are spread over. */
async function spread({ client, fleet }: Bed, requestCount: number): Promise<Set<string>> {
  const streams = Array.from({ length: requestCount }, () => client.open());
  const answers = await Promise.all(streams.map((stream, index) => stream.ask(chatBody(`Question ${index}`))));
  for (const stream of streams) stream.cancel();
  return new Set(answers.map((answer) => (answer.kind === "routed" ? nameOf(fleet, answer.destination) : answer.text)));
}

function lost(fleet: readonly Simulator[], index: number): Simulator {
  const simulator = fleet[index];
  if (simulator === undefined) throw new Error(`there is no server ${index}`);
  simulator.kill();
  return simulator;
}

describe("a model server", () => {
  it("that dies is left out after its next scrape, and comes back after it answers one", async () => {
    const bed = await startBed(3);
    expect(await spread(bed, 12)).toEqual(new Set(["sim-0", "sim-1", "sim-2"]));

    const dead = lost(bed.fleet, 1);
    await untilReachable(bed.epp, 2);
    expect(await spread(bed, 12)).toEqual(new Set(["sim-0", "sim-2"]));
    expect(bed.epp.logLines).toContainEqual(
      expect.objectContaining({
        endpoint: "default/sim-1",
        reachableCount: 2,
        total: 3,
        msg: "endpoint cannot be scraped and is left out",
      }),
    );

    await dead.revive();
    await untilReachable(bed.epp, 3);
    expect(await spread(bed, 12)).toEqual(new Set(["sim-0", "sim-1", "sim-2"]));
    expect(bed.epp.logLines).toContainEqual(
      expect.objectContaining({ endpoint: "default/sim-1", msg: "endpoint is reachable again and takes requests" }),
    );
    const page = await readMetrics(bed.epp.metricsPort);
    const transitions = ["unreachable", "reachable"].map((to) => page.value(TRANSITIONS, { to }));
    expect(transitions).toEqual([1, 1]);
  });

  it("that dies keeps the charge of a request until that request's stream ends", async () => {
    const bed = await startBed(2);
    const stream = bed.client.open();
    const answer = await stream.ask(chatBody("hello"));
    if (answer.kind !== "routed") throw new Error(answer.text);
    const name = nameOf(bed.fleet, answer.destination);
    const inFlight = (): Promise<number | undefined> =>
      readMetric(bed.epp.metricsPort, "endpoint_picker_inflight_requests", { endpoint_name: name });
    lost(bed.fleet, Number(name.slice("sim-".length)));
    await untilReachable(bed.epp, 1);
    expect(await inFlight()).toBe(1);
    stream.cancel();
    await until("the charge is returned", async () => (await inFlight()) === 0);
  });

  it("that answers its scrape with an error is left out like a dead one", async () => {
    const bed = await startBed(2);
    bed.fleet[0]?.setFault({ kind: "refuse" });
    await untilReachable(bed.epp, 1);
    expect(await spread(bed, 6)).toEqual(new Set(["sim-1"]));
  });
});

describe("when every model server is dead", () => {
  it("all stay in, which is logged and counted, until one is back", async () => {
    const bed = await startBed(3);
    const dead = [0, 1, 2].map((index) => lost(bed.fleet, index));
    await untilReachable(bed.epp, 0);
    expect(await spread(bed, 12)).toEqual(new Set(["sim-0", "sim-1", "sim-2"]));
    expect(bed.epp.logLines).toContainEqual(
      expect.objectContaining({
        level: 50,
        state: "no-endpoint-reachable",
        msg: expect.stringContaining("all of them stay in, picked without knowing their load"),
      }),
    );
    expect(await readMetric(bed.epp.metricsPort, ALL_UNREACHABLE)).toBe(12);

    await dead[2]?.revive();
    await untilReachable(bed.epp, 1);
    expect(await spread(bed, 6)).toEqual(new Set(["sim-2"]));
    expect(await readMetric(bed.epp.metricsPort, ALL_UNREACHABLE)).toBe(12);
  });
});
