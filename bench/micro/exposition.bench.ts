/**
 * What a scrape costs the control thread. Two questions: how long a page takes with 1,000 endpoints and few models (a
 * sample is a page), and for how long a page with the most combinations of labels holds the thread at once (a sample is
 * a slice; the longest one is the record's `maxNs`). The baseline is prom-client with the same series in its own
 * objects: it makes the page in one go. Both sides end with the bytes that a socket would get.
 */
import { createHash } from "node:crypto";
import { Gauge, Histogram, Registry } from "prom-client";
import { ManualClock, systemClock } from "../../src/base/clock.ts";
import { METRICS } from "../../src/telemetry/metrics/all-metrics.ts";
import type { HistogramDeclaration } from "../../src/telemetry/metrics/declaration.ts";
import { MetricsPage } from "../../src/telemetry/metrics/page.ts";
import { REQUEST_LABELS, requestHistograms, timeToFirstToken } from "../../src/telemetry/metrics/request-metrics.ts";
import { type HistogramColumns, observe, REQUEST_COLUMNS } from "../../src/telemetry/series/columns.ts";
import { RequestSeries } from "../../src/telemetry/series/request-series.ts";
import { SeriesView } from "../../src/telemetry/series/series-view.ts";
import { REQUEST_ROWS_MAX, type ShardSeries } from "../../src/telemetry/series/shard-series.ts";
import { metricSources, shardSeries } from "../../test/support/metric-sources.ts";
import { parseSamples, type Sample } from "../../test/support/prometheus-oracle.ts";
import type { BenchSize, MicroBench, MicroBenchCase } from "../harness.ts";

/** What a page may take, and what of it may hold the thread at once. */
const PAGE_NS_MAX = 20e6;
const SLICE_NS_MAX = 5e6;

/** Combinations of labels on which a page of slices is compared with prom-client's. */
const CHECKED_CHILDREN = 64;

/** Observed once in each histogram of each combination of labels. */
const OBSERVED = 1;

export const expositionBench: MicroBench = {
  name: "exposition",
  unit: "page or slice",
  cases: (size) => [pageCase(size), sliceCase(size)],
};

function pageCase(size: BenchSize): MicroBenchCase {
  const { page, theirs, check, label } = prepare({ endpoints: size === "large" ? 1_000 : 50, children: 2 });
  return {
    label: `whole page, ${label}`,
    target: { text: "≤ 20 ms", met: ({ p50Ns }) => p50Ns <= PAGE_NS_MAX },
    async kernel() {
      for await (const slice of page.expose()) Buffer.from(slice);
    },
    baseline: async () => Buffer.from(await theirs().metrics()),
    baselineName: "prom-client",
    check,
  };
}

function sliceCase(size: BenchSize): MicroBenchCase {
  const children = size === "large" ? REQUEST_ROWS_MAX - 1 : 8;
  const { page, theirs, label } = prepare({ endpoints: 8, children });
  // On fewer combinations: 80 MB of text and prom-client's objects for it would be garbage while slices are timed, and
  // the longest slice then a collection of the bench's own.
  const { check } = prepare({ endpoints: 8, children: Math.min(children, CHECKED_CHILDREN) });
  let slices = page.expose();
  return {
    label: `slice, ${label}`,
    target: { text: "longest ≤ 5 ms", met: ({ maxNs }) => maxNs <= SLICE_NS_MAX },
    async kernel() {
      const { done, value } = await slices.next();
      if (done === true) slices = page.expose();
      else Buffer.from(value);
    },
    baseline: async () => Buffer.from(await theirs().metrics()),
    baselineName: "prom-client, whole page",
    check,
  };
}

interface Shape {
  readonly endpoints: number;
  /** Combinations of request labels. */
  readonly children: number;
}

interface Prepared {
  readonly label: string;
  readonly page: MetricsPage;
  /** Made when first asked for, so that its heap is not there while our side is measured. */
  readonly theirs: () => Registry;
  readonly check: () => Promise<string>;
}

function prepare(shape: Shape): Prepared {
  const series = shardSeries();
  route(series, shape);
  observeAll(series);
  const endpoints = Array.from({ length: shape.endpoints }, (_, slot) => endpoint(slot));
  const fleet = { names: ["other"], endpoints };
  const sources = metricSources({ series: new SeriesView([series]), fleet: () => fleet });
  const page = new MetricsPage(sources, { withTwins: true, withStreams: false, clock: systemClock });
  const make = (): Registry => theirRegistry([...page.pieces()].join(""), shape);
  let registry: Registry | undefined;
  return {
    label: `${shape.endpoints} endpoints, ${shape.children} combinations of labels`,
    page,
    theirs() {
      registry ??= make();
      return registry;
    },
    check: () => compare([...page.pieces()].join(""), make()),
  };
}

function endpoint(slot: number) {
  return {
    name: `vllm-llama-70b-instruct-${slot}`,
    namespace: "inference",
    port: 8000,
    slot,
    generation: 1,
    isReachable: true,
    load: { queueDepthRequests: slot % 7, runningRequests: 3, kvCacheUsageFraction: 0.5, scrapedAtMs: 1 },
  };
}

/** Values of REQUEST_LABELS of a combination. */
function labelsOf(child: number): string[] {
  return [`model-${child % 100}`, "base", `flow-${child % 900}`, String(Math.floor(child / 900))];
}

/** Every endpoint and every combination is met at least once. */
function route(series: ShardSeries, { endpoints, children }: Shape): void {
  const metrics = new RequestSeries(series, new ManualClock());
  for (let index = 0; index < Math.max(endpoints, children); index++) {
    const [modelName = "", targetModelName = "", fairnessId = "", priority = ""] = labelsOf(index % children);
    const slot = index % endpoints;
    const meter = metrics.open("request");
    meter.identify({ modelName, targetModelName, fairnessId, priority: Number(priority) });
    const pick = { slot, generation: 1, candidateCount: 8, blockCount: 4, matchedBlocks: 2 };
    meter.onScheduled({ pick, blockSize: 256, durationMs: 0.01 });
    meter.onRouted({ slot, tokens: 100, requestSize: 0 });
  }
}

function observeAll({ requests: { cells, count, width } }: ShardSeries): void {
  const { histograms, timeToFirstToken: first } = REQUEST_COLUMNS;
  const columns: readonly HistogramColumns[] = [...Object.values(histograms), first.streamed];
  for (let row = 0; row < count * width; row += width) {
    // The route has left sizes; one value each is what the baseline gets, too.
    cells.fill(
      0,
      row + histograms.requestSize.at,
      row + histograms.requestSize.at + histograms.requestSize.bounds.length,
    );
    for (const histogram of columns) observe(cells, row, histogram, OBSERVED);
  }
}

const HISTOGRAMS: readonly HistogramDeclaration[] = [...Object.values(requestHistograms), timeToFirstToken];

/** A declaration and its twin, if it has one. */
function bothNames<Declaration extends (typeof METRICS)[number]>(declaration: Declaration): Declaration[] {
  const { twin } = declaration;
  return twin === undefined ? [declaration] : [declaration, { ...declaration, ...twin }];
}

/** The same series in prom-client's objects: what is no histogram from the page's text, histograms by observation. */
function theirRegistry(text: string, { children }: Shape): Registry {
  const registry = new Registry();
  const samples = byName(parseSamples(text));
  for (const { name, help, labels } of METRICS.filter(
    ({ type, optIn }) => type !== "histogram" && optIn === undefined,
  ).flatMap(bothNames)) {
    const gauge = new Gauge({ name, help, labelNames: [...labels], registers: [registry] });
    for (const sample of samples.get(name) ?? []) gauge.set(Object.fromEntries(sample.labels), Number(sample.value));
  }
  for (const { name, help, labels, buckets } of HISTOGRAMS.flatMap(bothNames)) {
    const options = { name, help, labelNames: [...labels], buckets: [...buckets], registers: [registry] };
    const histogram = new Histogram(options);
    for (let child = 0; child < children; child++) {
      const values = [...labelsOf(child), "true"];
      const all = [...REQUEST_LABELS, "streaming"].map((label, index) => [label, values[index] ?? ""] as const);
      histogram.observe(Object.fromEntries(all.filter(([label]) => labels.includes(label))), OBSERVED);
    }
  }
  return registry;
}

function byName(samples: readonly Sample[]): Map<string, Sample[]> {
  const found = new Map<string, Sample[]>();
  for (const sample of samples) {
    const own = found.get(sample.name);
    if (own === undefined) found.set(sample.name, [sample]);
    else own.push(sample);
  }
  return found;
}

/** Throws unless both have the same samples of what both have; returns a hash of those. */
async function compare(ours: string, theirs: Registry): Promise<string> {
  const [own, other] = [normalized(ours), normalized(await theirs.metrics())];
  for (const [series, value] of other) {
    if (own.get(series) !== value) throw new Error(`${series}: ${own.get(series)}, prom-client has ${value}`);
  }
  if (other.size < own.size / 2) throw new Error(`prom-client has ${other.size} series of ${own.size}`);
  return createHash("sha256")
    .update([...other].join("\n"))
    .digest("hex")
    .slice(0, 16);
}

/** Values by name and sorted labels; bounds as numbers. */
function normalized(text: string): Map<string, string> {
  const key = ({ name, labels }: Sample): string => {
    const pairs = labels.map(
      ([label, value]) => `${label}=${label === "le" && value !== "+Inf" ? Number(value) : value}`,
    );
    return `${name}{${pairs.sort().join()}}`;
  };
  return new Map(parseSamples(text).map((sample) => [key(sample), sample.value]));
}
