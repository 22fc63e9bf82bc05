import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { MetricsPage } from "../../../../src/telemetry/metrics/page.ts";
import { REQUEST_COLUMNS } from "../../../../src/telemetry/series/columns.ts";
import { RequestSeries } from "../../../../src/telemetry/series/request-series.ts";
import { SeriesView } from "../../../../src/telemetry/series/series-view.ts";
import type { ShardSeries } from "../../../../src/telemetry/series/shard-series.ts";
import { exposition, metricSources, shardSeries } from "../../../support/metric-sources.ts";

/** A view of one shard with this many combinations of labels, each with values in every histogram. */
function viewOf(children: number): SeriesView {
  const series = shardSeries();
  const metrics = new RequestSeries(series, new ManualClock());
  for (let index = 0; index < children; index++) {
    const meter = metrics.open("r");
    meter.identify({
      modelName: `model-${index % 40}`,
      targetModelName: "t",
      fairnessId: `flow-${index}`,
      priority: 0,
    });
    meter.onRouted({ slot: 0, tokens: 1, requestSize: 10 });
    const row = index * REQUEST_COLUMNS.width;
    series.requests.cells.fill(1, row, row + REQUEST_COLUMNS.width);
  }
  return new SeriesView([series]);
}

/** A shard that has met this many combinations of labels. */
function rowsOf(count: number, shard: number): ShardSeries {
  const series = shardSeries();
  const metrics = new RequestSeries(series, new ManualClock());
  for (let index = 0; index < count; index++) {
    const meter = metrics.open("r");
    meter.identify({ modelName: "m", targetModelName: "m", fairnessId: `flow-${index}`, priority: shard });
    meter.onRouted({ slot: 0, tokens: 1, requestSize: 10 });
  }
  return series;
}

describe("the page", () => {
  it("ends a slice in which time runs away, however small it is", async () => {
    const series = viewOf(20);
    const countSlices = async (msPerLook: number): Promise<number> => {
      let nowMs = 0;
      const clock = { nowMs: () => (nowMs += msPerLook) };
      const page = new MetricsPage(metricSources({ series }), { withTwins: true, withStreams: false, clock });
      let count = 0;
      for await (const _ of page.expose()) count++;
      return count;
    };
    const quick = await countSlices(0);
    expect(await countSlices(0.3)).toBeGreaterThan(2 * quick);
  });

  it("is made in slices of bounded size, each in a turn of its own, and is the same text as in one", async () => {
    const view = viewOf(300);
    const page = new MetricsPage(metricSources({ series: view }), {
      withTwins: true,
      withStreams: false,
      clock: new ManualClock(),
    });
    const slices: string[] = [];
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    for await (const slice of page.expose()) slices.push(slice);
    isDone = true;
    expect(slices.length).toBeGreaterThan(50);
    expect(turns).toBeGreaterThanOrEqual(slices.length - 1);
    // The longest piece, some 40 lines of a histogram, may come on top of 32 KiB.
    expect(Math.max(...slices.map(({ length }) => length))).toBeLessThan(48 * 1024);
    const isProcess = /^(?:# \w+ )?(?:process|nodejs)_/;
    const lines = (text: string): string[] => text.split("\n").filter((line) => !isProcess.test(line));
    const whole = await exposition({ series: view }, { withStreams: false });
    expect(lines(slices.join(""))).toEqual(lines(whole));
  });

  it("takes in what many shards have added bit by bit, too", async () => {
    const view = new SeriesView(Array.from({ length: 8 }, (_, shard) => rowsOf(500, shard)));
    const page = new MetricsPage(metricSources({ series: view }), {
      withTwins: false,
      withStreams: false,
      clock: new ManualClock(),
    });
    const taken: number[] = [];
    for await (const _ of page.expose()) {
      taken.push(view.requests().reduce((sum, { rows }) => sum + rows.length, 0));
    }
    // 4,000 rows, of which 2,047 are told apart.
    expect(taken[0]).toBeGreaterThan(0);
    expect(taken[0]).toBeLessThanOrEqual(1_024);
    expect(taken.at(-1)).toBe(4_000);
    expect(view.requests()).toHaveLength(2_048);
  });

  it("that nobody reads on ends, and the next one is whole again", async () => {
    const page = new MetricsPage(metricSources({ series: viewOf(50) }), {
      withTwins: true,
      withStreams: false,
      clock: new ManualClock(),
    });
    for await (const slice of page.expose()) {
      expect(slice).not.toBe("");
      break;
    }
    expect(await page.metrics()).toContain('fairness_id="flow-49"');
  });

  it("tells about the process, once", async () => {
    const text = await exposition({}, { withProcess: true });
    expect(text.match(/^# TYPE process_cpu_seconds_total counter$/gm)).toHaveLength(1);
    expect(text).toMatch(/^nodejs_eventloop_lag_seconds \S+$/m);
  });

  it("gives each series one line", async () => {
    const text = await exposition({ series: viewOf(3) });
    const series = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const names = series.map((line) => line.slice(0, line.lastIndexOf(" ")));
    expect(new Set(names).size).toBe(names.length);
  });
});
