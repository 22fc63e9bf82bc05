import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { DataLayerErrors } from "../../../../src/telemetry/metrics/data-layer-errors.ts";
import { pluginTimer } from "../../../../src/telemetry/series/plugin-series.ts";
import { RequestSeries } from "../../../../src/telemetry/series/request-series.ts";
import { SeriesView } from "../../../../src/telemetry/series/series-view.ts";
import {
  allocateShardSeries,
  FAIRNESS_IDS_MAX,
  MODELS_MAX,
  PLUGINS_MAX,
  PRIORITIES_MAX,
  REQUEST_ROWS_MAX,
  ShardSeries,
} from "../../../../src/telemetry/series/shard-series.ts";
import { StreamSeries } from "../../../../src/telemetry/series/stream-series.ts";
import { exposition, shardSeries } from "../../../support/metric-sources.ts";
import { parseSamples, type Sample } from "../../../support/prometheus-oracle.ts";

interface Labels {
  readonly modelName: string;
  readonly targetModelName: string;
  readonly fairnessId: string;
  readonly priority: number;
}

const BASE: Labels = { modelName: "llama", targetModelName: "llama", fairnessId: "default-flow", priority: 0 };

/** Routes and closes one request per set of labels. */
function serve(
  series: ShardSeries,
  all: readonly Partial<Labels>[],
  options: { slot?: number; generation?: number } = {},
): void {
  const metrics = new RequestSeries(series, new ManualClock());
  const { slot = 0, generation = 1 } = options;
  for (const labels of all) {
    const meter = metrics.open("r");
    meter.identify({ ...BASE, ...labels });
    meter.onScheduled({
      pick: { slot, generation, candidateCount: 1, blockCount: 1, matchedBlocks: 0 },
      blockSize: 64,
      durationMs: 1,
    });
    meter.onRouted({ slot, tokens: 10, requestSize: 100 });
    meter.onAnswered();
    meter.onClosed({ isComplete: false, usage: undefined });
  }
}

async function samplesOf(name: string, ...shards: readonly ShardSeries[]): Promise<Sample[]> {
  const text = await exposition({ series: new SeriesView(shards), fleet: () => FLEET });
  return parseSamples(text).filter((sample) => sample.name === name);
}

const FLEET = {
  names: ["other"],
  endpoints: [
    { name: "sim-0", namespace: "default", port: 8000, slot: 0, generation: 2, isReachable: true, load: undefined },
  ],
};

const total = (samples: readonly Sample[]): number => samples.reduce((sum, { value }) => sum + Number(value), 0);
const labelOf = (sample: Sample, name: string): string | undefined =>
  sample.labels.find(([label]) => label === name)?.[1];
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe("series of several shards", () => {
  it("are one series where their labels are the same, whatever the order in which the shards met them", async () => {
    const [first, second] = [shardSeries(), shardSeries()];
    serve(first, [{ fairnessId: "a" }, { fairnessId: "b" }, { fairnessId: "b" }]);
    serve(second, [{ fairnessId: "b" }, { fairnessId: "c" }]);
    const samples = await samplesOf("llm_d_epp_request_total", first, second);
    const counts = samples.map((sample) => [labelOf(sample, "fairness_id"), Number(sample.value)]);
    expect(Object.fromEntries(counts)).toEqual({ a: 1, b: 3, c: 1 });
  });

  it("add up under older names, which have fewer labels", async () => {
    const series = shardSeries();
    serve(series, [
      { fairnessId: "a" },
      { fairnessId: "b" },
      { priority: 1 },
      { modelName: "phi", targetModelName: "phi" },
    ]);
    const samples = await samplesOf("inference_objective_request_sizes_count", series);
    expect(samples.map((sample) => [labelOf(sample, "model_name"), sample.value])).toEqual([
      ["llama", "3"],
      ["phi", "1"],
    ]);
  });

  it("grow between two scrapes", async () => {
    const series = shardSeries();
    const view = new SeriesView([series]);
    const count = async (): Promise<number> => {
      const text = await exposition({ series: view });
      return total(parseSamples(text).filter(({ name }) => name === "llm_d_epp_request_total"));
    };
    expect(await count()).toBe(0);
    serve(series, [{ fairnessId: "a" }]);
    expect(await count()).toBe(1);
    serve(series, [{ fairnessId: "a" }, { fairnessId: "b" }]);
    expect(await count()).toBe(3);
  });
});

describe("labels beyond the limits", () => {
  it("models and targets share a number of names; further ones are other, and none is lost", async () => {
    const series = shardSeries();
    const count = MODELS_MAX + 50;
    serve(
      series,
      range(count).map((index) => ({ modelName: `m${index % 500}`, targetModelName: `t${index}` })),
    );
    const samples = await samplesOf("llm_d_epp_request_total", series);
    const names = new Set(
      samples.flatMap((sample) => [labelOf(sample, "model_name"), labelOf(sample, "target_model_name")]),
    );
    expect(names.size).toBe(MODELS_MAX + 1);
    expect(names.has("other")).toBe(true);
    expect(total(samples)).toBe(count);
    expect(new SeriesView([series]).folded("request")).toBeGreaterThan(0);
  });

  it("the limit on models holds over all shards together", async () => {
    const shards = [shardSeries(), shardSeries()];
    for (const [shard, series] of shards.entries()) {
      serve(
        series,
        range(800).map((index) => ({ modelName: `s${shard}-${index}`, targetModelName: `s${shard}-${index}` })),
      );
    }
    const samples = await samplesOf("llm_d_epp_request_total", ...shards);
    expect(new Set(samples.map((sample) => labelOf(sample, "model_name"))).size).toBe(MODELS_MAX + 1);
    expect(total(samples)).toBe(1600);
  });

  it("fairness ids have a limit of their own", async () => {
    const series = shardSeries();
    serve(
      series,
      range(FAIRNESS_IDS_MAX + 7).map((index) => ({ fairnessId: `f${index}` })),
    );
    const samples = await samplesOf("llm_d_epp_request_total", series);
    expect(samples).toHaveLength(FAIRNESS_IDS_MAX + 1);
    expect(samples.find((sample) => labelOf(sample, "fairness_id") === "other")?.value).toBe("7");
  });

  it("there are no more combinations than rows; the last one stands for all others", async () => {
    const shards = [shardSeries(), shardSeries()];
    const count = REQUEST_ROWS_MAX + 100;
    for (const series of shards) {
      serve(
        series,
        range(count).map((index) => ({ fairnessId: `f${index % 900}`, priority: Math.floor(index / 900) })),
      );
    }
    const samples = await samplesOf("llm_d_epp_request_total", ...shards);
    expect(samples).toHaveLength(REQUEST_ROWS_MAX);
    expect(total(samples)).toBe(2 * count);
    const other = samples.filter(({ labels }) => labels.every(([, value]) => value === "other"));
    expect(other.map(({ value }) => value)).toEqual(["202"]);
  });

  it("priorities and plugins have limits, too", () => {
    const series = shardSeries();
    serve(
      series,
      range(PRIORITIES_MAX + 5).map((priority) => ({ priority })),
    );
    for (const index of range(PLUGINS_MAX + 3)) {
      pluginTimer(series, { extensionPoint: "Scorer", type: "own", name: `p${index}` })(1);
    }
    const view = new SeriesView([series]);
    expect(view.folded("request")).toBe(5);
    expect(view.folded("plugin")).toBe(3);
  });

  it("a name that is too long is other, as is one that is called so", async () => {
    const series = shardSeries();
    const long = "x".repeat(300);
    serve(series, [
      { modelName: long, targetModelName: long },
      { modelName: "other", targetModelName: "other" },
    ]);
    const samples = await samplesOf("llm_d_epp_request_total", series);
    expect(samples.map((sample) => [labelOf(sample, "model_name"), sample.value])).toEqual([["other", "2"]]);
  });
});

describe("what a shard leaves behind", () => {
  it("its successor goes on with: same rows, same names, counters that never go back", async () => {
    const buffer = allocateShardSeries();
    serve(new ShardSeries(buffer), [{ fairnessId: "a" }, { fairnessId: "b" }]);
    const successor = new ShardSeries(buffer);
    serve(successor, [{ fairnessId: "b" }, { fairnessId: "c" }]);
    expect(successor.requests.count).toBe(3);
    const samples = await samplesOf("llm_d_epp_request_total", new ShardSeries(buffer));
    expect(samples.map(({ value }) => value)).toEqual(["1", "2", "1"]);
  });

  it("is not in flight any more", () => {
    const series = shardSeries();
    const meter = new RequestSeries(series, new ManualClock()).open("r");
    meter.identify(BASE);
    meter.onRouted({ slot: 0, tokens: 10, requestSize: 1 });
    meter.onAnswered();
    new StreamSeries(series, new ManualClock()).open();
    const sum = (cells: Float64Array): number => cells.reduce((all, value) => all + value, 0);
    const before = sum(series.requests.cells) + sum(series.flows.cells);
    series.returnInFlight();
    // One running request, one in flight, ten tokens.
    expect(sum(series.requests.cells) + sum(series.flows.cells)).toBe(before - 12);
    expect(sum(series.flows.cells)).toBe(0);
  });
});

describe("series by endpoint", () => {
  it("decisions count for the endpoint that has the slot now, not for the one that had it before", async () => {
    const series = shardSeries();
    serve(series, [{}, {}, {}], { generation: 1 });
    expect(await samplesOf("llm_d_epp_scheduler_attempts_total", series)).toEqual([]);
    serve(series, [{}, {}], { generation: 2 });
    const samples = await samplesOf("llm_d_epp_scheduler_attempts_total", series);
    expect(samples.map(({ value }) => value)).toEqual(["2"]);
    expect(samples[0]?.labels).toEqual([
      ["status", "success"],
      ["target_model_name", "llama"],
      ["endpoint_name", "sim-0"],
      ["namespace", "default"],
      ["port", "8000"],
    ]);
  });

  it("what is in flight is told by endpoint and flow", async () => {
    const series = shardSeries();
    const metrics = new RequestSeries(series, new ManualClock());
    for (const fairnessId of ["a", "a", "b"]) {
      const meter = metrics.open("r");
      meter.identify({ ...BASE, fairnessId });
      meter.onRouted({ slot: 0, tokens: 10, requestSize: 1 });
    }
    const samples = await samplesOf("llm_d_epp_inflight_tokens", series);
    expect(samples.map((sample) => [labelOf(sample, "fairness_id"), sample.value])).toEqual([
      ["a", "20"],
      ["b", "10"],
    ]);
  });
});

describe("other counts", () => {
  it("plugins are timed under their names, and go on after a policy was compiled anew", async () => {
    const series = shardSeries();
    const plugin = { extensionPoint: "Scorer", type: "own-scorer", name: "mine" };
    pluginTimer(series, plugin)(0.15);
    pluginTimer(series, plugin)(3);
    const samples = await samplesOf("llm_d_epp_plugin_duration_seconds_bucket", series);
    const counts = samples.map((sample) => [labelOf(sample, "le"), sample.value]);
    expect(counts).toContainEqual(["0.0001", "0"]);
    expect(counts).toContainEqual(["0.0002", "1"]);
    expect(counts).toContainEqual(["0.005", "2"]);
    expect(labelOf(samples[0] as Sample, "plugin_name")).toBe("mine");
  });

  it("streams are counted by their codes and times", async () => {
    const series = shardSeries();
    const clock = new ManualClock();
    const streams = new StreamSeries(series, clock);
    const [first, second] = [streams.open(), streams.open()];
    streams.open();
    clock.advance(40);
    first("OK");
    second("Canceled");
    const text = await exposition({ series: new SeriesView([series]) });
    expect(text).toContain("llm_d_epp_extproc_streams_inflight 1\n");
    expect(text).toContain('llm_d_epp_extproc_streams_total{code="OK"} 1\n');
    expect(text).toContain('llm_d_epp_extproc_streams_total{code="Canceled"} 1\n');
    expect(text).toContain('llm_d_epp_extproc_stream_duration_seconds_bucket{le="0.05"} 2\n');
  });

  it("errors of the data layer are told by source and extractor", async () => {
    const dataLayer = new DataLayerErrors();
    dataLayer.countPoll("metrics-data-source");
    dataLayer.countPoll("metrics-data-source");
    dataLayer.countExtract("metrics-data-source", "core-metrics-extractor");
    const text = await exposition({ dataLayer });
    expect(text).toContain('llm_d_epp_datalayer_poll_errors_total{source_type="metrics-data-source"} 2\n');
    const labels = 'source_type="metrics-data-source",extractor_type="core-metrics-extractor"';
    expect(text).toContain(`llm_d_epp_datalayer_extract_errors_total{${labels}} 1\n`);
  });
});
