import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { ERROR_KINDS } from "../../../src/base/errors.ts";
import { newControlCounters } from "../../../src/telemetry/control-counters.ts";
import { DEGRADED_STATES } from "../../../src/telemetry/degraded-states.ts";
import { HealthDetails } from "../../../src/telemetry/health-details.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { METRICS } from "../../../src/telemetry/metrics/all-metrics.ts";
import type { FleetView } from "../../../src/telemetry/metrics/fleet-view.ts";
import { MetricsPage } from "../../../src/telemetry/metrics/page.ts";
import { OWN_METRICS } from "../../../src/telemetry/metrics.ts";
import { countConnections } from "../../../src/telemetry/series/connection-series.ts";
import { SeriesView } from "../../../src/telemetry/series/series-view.ts";
import { SharedCounters } from "../../../src/wasm/counters.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { endpoint, type TestFleet, testFleet } from "../../support/fleet.ts";
import { exposition, metricSources, shardSeries } from "../../support/metric-sources.ts";
import { parseSamples, type Sample } from "../../support/prometheus-oracle.ts";

const FLEET: FleetView = {
  names: ["other", "llama", 'a "quoted"\nname\\'],
  endpoints: [
    { name: "sim-0", namespace: "default", port: 8000, slot: 0, isReachable: true, generation: 1, load: undefined },
    { name: "sim-0", namespace: "canary", port: 8000, slot: 1, isReachable: false, generation: 1, load: undefined },
    { name: "sim-1", namespace: "default", port: 8000, slot: 2, isReachable: true, generation: 1, load: undefined },
  ],
};

const health = new HealthDetails({ clock: new ManualClock(), logger: createLogger({ level: "silent" }) });
const pluginFailures = () => [{ plugin: "own", cause: "threw", count: 3 }];
const degraded = (): ReturnType<HealthDetails["counts"]> => health.counts();

const fleetOf = (): TestFleet =>
  testFleet(
    "release",
    Array.from({ length: 3 }, () => endpoint()),
    [],
    { shape: { shardCount: 2 } },
  );

async function scrape(fleet: TestFleet, control = newControlCounters()): Promise<{ text: string; samples: Sample[] }> {
  const counters = new SharedCounters(fleet.memory, fleet.kernel);
  const series = new SeriesView([shardSeries()]);
  const text = await exposition({ counters, control, fleet: () => FLEET, degraded, pluginFailures, series });
  return { text, samples: parseSamples(text) };
}

/** The values of a metric, by the value of its first label. */
function values(samples: readonly Sample[], name: string): Record<string, number> {
  const own = samples.filter((sample) => sample.name === name);
  return Object.fromEntries(own.map(({ labels, value }) => [labels[0]?.[1] ?? "", Number(value)]));
}

describe("metrics", () => {
  it("each declared metric stands in the text once, with type, help and finite values", async () => {
    const { text, samples } = await scrape(fleetOf());
    const lines = text.split("\n");
    for (const { name, type } of METRICS) {
      expect(
        lines.filter((line) => line === `# TYPE ${name} ${type}`),
        name,
      ).toHaveLength(1);
      expect(
        lines.filter((line) => line.startsWith(`# HELP ${name} `)),
        name,
      ).toHaveLength(1);
    }
    const own = samples.map(({ name }) => name).filter((name) => name.startsWith("endpoint_picker_"));
    expect(new Set(own)).toEqual(new Set(OWN_METRICS.map(({ name }) => name)));
    expect(samples.filter(({ value }) => !Number.isFinite(Number(value)))).toEqual([]);
  });

  it("no two series have the same name and labels, whatever endpoints and models are called", async () => {
    const { samples } = await scrape(fleetOf());
    const series = samples.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`);
    expect(new Set(series).size).toBe(series.length);
  });

  it.each(OWN_METRICS.map((declaration) => [declaration.name, declaration] as const))(
    "%s has the labels that it declares and no others",
    async (name, { labels }) => {
      const { samples } = await scrape(fleetOf());
      const own = samples.filter((sample) => sample.name === name);
      for (const sample of own) expect(sample.labels.map(([label]) => label)).toEqual(labels);
    },
  );

  it.each(METRICS.map((declaration) => [declaration.name, declaration] as const))(
    "%s is named by the house rules and explained in a sentence",
    (name, { type, help }) => {
      expect(name).toMatch(OWN_METRICS.some((own) => own.name === name) ? /^endpoint_picker_[a-z_]+$/ : /^llm_d_epp_/);
      expect(name.endsWith("_total")).toBe(type === "counter");
      expect(help).toMatch(/^[A-Za-z0-9].*\.$/);
    },
  );

  it("label values arrive as they are, quotes and line breaks included", async () => {
    const { samples } = await scrape(fleetOf());
    expect(Object.keys(values(samples, "endpoint_picker_requests_total"))).toEqual(FLEET.names);
  });

  it.each([
    ["endpoint_picker_picks_total", layout.SHARD_COUNTER_PICKS],
    ["endpoint_picker_pick_batches_total", layout.SHARD_COUNTER_BATCHES],
    ["endpoint_picker_picks_without_endpoint_total", layout.SHARD_COUNTER_NO_ENDPOINTS],
    ["endpoint_picker_picks_all_unreachable_total", layout.SHARD_COUNTER_ALL_UNREACHABLE],
    ["endpoint_picker_prompt_blocks_total", layout.SHARD_COUNTER_PROMPT_BLOCKS],
    ["endpoint_picker_matched_blocks_total", layout.SHARD_COUNTER_MATCHED_BLOCKS],
    ["endpoint_picker_index_ring_full_total", layout.SHARD_COUNTER_RING_FULL],
    ["endpoint_picker_snapshots_torn_total", layout.SHARD_COUNTER_SNAPSHOT_TORN],
    ["endpoint_picker_picks_filtered_out_total", layout.SHARD_COUNTER_FILTERED_OUT],
    ["endpoint_picker_sessions_bound_total", layout.SHARD_COUNTER_SESSIONS_BOUND],
    ["endpoint_picker_sessions_replaced_total", layout.SHARD_COUNTER_SESSIONS_REPLACED],
    ["endpoint_picker_streams_total", layout.SHARD_COUNTER_STREAMS_OPENED],
    ["endpoint_picker_protocol_errors_total", layout.SHARD_COUNTER_PROTOCOL_ERRORS],
    ["endpoint_picker_response_events_total", layout.SHARD_COUNTER_RESPONSE_EVENTS],
    ["endpoint_picker_served_elsewhere_total", layout.SHARD_COUNTER_SERVED_ELSEWHERE],
    ["endpoint_picker_rewrites_skipped_total", layout.SHARD_COUNTER_REWRITES_SKIPPED],
    ["endpoint_picker_slabs_exhausted_total", layout.SHARD_COUNTER_SLABS_EXHAUSTED],
  ] as const)("%s is the sum over the shards", async (name, counter) => {
    const fleet = fleetOf();
    fleet.shards[0]?.count(counter, 40);
    fleet.shards[1]?.count(counter, 2);
    const { samples } = await scrape(fleet);
    expect(values(samples, name)).toEqual({ "": 42 });
    // Nothing else has moved, but for what is derived from it.
    const moved = samples.filter(({ value }) => value === "42").map((sample) => sample.name);
    expect(moved.filter((other) => other !== "endpoint_picker_streams_inflight")).toEqual([name]);
  });

  it("streams in flight are those opened and not closed", async () => {
    const fleet = fleetOf();
    fleet.shards[0]?.count(layout.SHARD_COUNTER_STREAMS_OPENED, 5);
    fleet.shards[1]?.count(layout.SHARD_COUNTER_STREAMS_OPENED, 2);
    fleet.shards[0]?.count(layout.SHARD_COUNTER_STREAMS_CLOSED, 3);
    const { samples } = await scrape(fleet);
    expect(values(samples, "endpoint_picker_streams_inflight")).toEqual({ "": 4 });
  });

  it("each shard's streams and connections are told apart", async () => {
    const fleet = fleetOf();
    fleet.shards[0]?.count(layout.SHARD_COUNTER_STREAMS_OPENED, 5);
    fleet.shards[1]?.count(layout.SHARD_COUNTER_STREAMS_OPENED, 2);
    fleet.shards[0]?.count(layout.SHARD_COUNTER_STREAMS_CLOSED, 3);
    const tables = [shardSeries(), shardSeries()];
    const clock = new ManualClock();
    const counting = tables.map((table, shard) => countConnections(table, clock, () => 4 * shard + clock.nowMs()));
    clock.advance(1_000);
    for (const timer of counting) timer.cancel();
    const counters = new SharedCounters(fleet.memory, fleet.kernel);
    const series = new SeriesView(tables);
    const control = newControlCounters();
    const samples = parseSamples(
      await exposition({ counters, control, fleet: () => FLEET, degraded, pluginFailures, series }),
    );
    expect(values(samples, "endpoint_picker_shard_streams_total")).toEqual({ 0: 5, 1: 2 });
    expect(values(samples, "endpoint_picker_shard_streams_inflight")).toEqual({ 0: 2, 1: 2 });
    expect(values(samples, "endpoint_picker_shard_connections")).toEqual({ 0: 1_000, 1: 1_004 });
    tables[1]?.returnInFlight();
    expect(series.connections(1)).toBe(0);
  });

  it("refusals are counted by error code, in the order of the table of errors", async () => {
    const fleet = fleetOf();
    const codes = Object.keys(ERROR_KINDS);
    for (const [index] of codes.entries()) fleet.shards[0]?.count(layout.SHARD_COUNTER_REFUSED + index, 10 + index);
    const { samples } = await scrape(fleet);
    expect(values(samples, "endpoint_picker_refusals_total")).toEqual(
      Object.fromEntries(codes.map((code, index) => [code, 10 + index])),
    );
  });

  it("what is in flight is told by endpoint and namespace", async () => {
    const fleet = fleetOf();
    const window = fleet.scan("x".repeat(996));
    for (let pick = 0; pick < 9; pick++) fleet.pick(window, { seed: pick });
    const { samples } = await scrape(fleet);
    const counters = new SharedCounters(fleet.memory, fleet.kernel);
    const expected = FLEET.endpoints.map(({ name, namespace, slot }) => ({
      labels: [
        ["endpoint_name", name],
        ["namespace", namespace],
      ],
      requests: counters.inFlightRequests(slot),
      tokens: counters.inFlightTokens(slot),
    }));
    const of = (metric: string): Sample[] => samples.filter(({ name }) => name === metric);
    const [requests, tokens] = [of("endpoint_picker_inflight_requests"), of("endpoint_picker_inflight_tokens")];
    expect(
      requests.map(({ labels, value }, index) => ({
        labels,
        requests: Number(value),
        tokens: Number(tokens[index]?.value),
      })),
    ).toEqual(expected);
    expect(expected.reduce((sum, { requests: count }) => sum + count, 0)).toBe(9);
  });

  it("what the control thread counts is told by outcome", async () => {
    const control = {
      scrapesSucceeded: 1,
      scrapesFailed: 2,
      becameReachable: 3,
      becameUnreachable: 4,
      endpointsFileReloads: 8,
      endpointsFileFaults: 9,
      shardRestarts: 5,
      indexWriterRestarts: 6,
      tlsHandshakesFailed: 7,
      connectionsFailed: 8,
      connectionsShed: 13,
      adminTurnedAway: { connections: 10, answers: 11, stalled: 12 },
    };
    const { samples } = await scrape(fleetOf(), control);
    expect(values(samples, "endpoint_picker_scrapes_total")).toEqual({ success: 1, failure: 2 });
    expect(values(samples, "endpoint_picker_endpoint_transitions_total")).toEqual({ reachable: 3, unreachable: 4 });
    expect(values(samples, "endpoint_picker_endpoints_file_reads_total")).toEqual({ success: 8, failure: 9 });
    expect(values(samples, "endpoint_picker_thread_restarts_total")).toEqual({ shard: 5, "index-writer": 6 });
    expect(values(samples, "endpoint_picker_tls_handshakes_failed_total")).toEqual({ "": 7 });
    expect(values(samples, "endpoint_picker_connections_failed_total")).toEqual({ "": 8 });
    expect(values(samples, "endpoint_picker_connections_shed_total")).toEqual({ "": 13 });
    expect(values(samples, "endpoint_picker_endpoints")).toEqual({ reachable: 2, unreachable: 1 });
    const turnedAway = values(samples, "endpoint_picker_admin_turned_away_total");
    expect(turnedAway).toEqual({ connections: 10, answers: 11, stalled: 12 });
  });

  it("failures of users' plugins are told by plugin and cause", async () => {
    const { samples } = await scrape(fleetOf());
    expect(values(samples, "endpoint_picker_plugin_failures_total")).toEqual({ own: 3 });
  });

  it("a degraded state that holds is not 0, the others are", async () => {
    health.raise("shard-down", "gone", "shard 0");
    health.raise("shard-down", "gone", "shard 1");
    const { samples } = await scrape(fleetOf());
    health.clear("shard-down", "shard 0");
    health.clear("shard-down", "shard 1");
    const states = values(samples, "endpoint_picker_degraded");
    expect(states).toMatchObject({ "shard-down": 2, "no-endpoints": 0 });
    expect(Object.keys(states)).toEqual(Object.keys(DEGRADED_STATES));
  });

  it("the index tells what it holds and what it did", async () => {
    const fleet = fleetOf();
    fleet.hold(0, [11n, 12n, 13n]);
    fleet.hold(1, [11n]);
    const { samples } = await scrape(fleet);
    expect(values(samples, "endpoint_picker_index_blocks")).toEqual({ "": 3 });
    expect(values(samples, "endpoint_picker_index_blocks_stored_total")).toEqual({ "": 4 });
    expect(values(samples, "endpoint_picker_index_blocks_refused_total")).toEqual({ "": 0 });
  });

  it("values are read when somebody scrapes, not when the registry is made", async () => {
    const fleet = fleetOf();
    const control = newControlCounters();
    const counters = new SharedCounters(fleet.memory, fleet.kernel);
    const sources = metricSources({ counters, control, fleet: () => FLEET, degraded });
    const page = new MetricsPage(sources, { withTwins: true, withStreams: true, clock: new ManualClock() });
    const picks = async (): Promise<number | undefined> =>
      values(parseSamples(await page.metrics()), "endpoint_picker_picks_total")[""];
    expect(await picks()).toBe(0);
    fleet.pick();
    expect(await picks()).toBe(1);
  });
});
