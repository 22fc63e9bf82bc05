/**
 * What counting costs a request on its shard: everything that the meter of a streamed request does, from its headers to
 * the end of its stream, for a model and a flow that are known. The baseline observes the same values in prom-client's
 * objects, under the same names and labels, without the older names. Both read the machine's clock.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { systemClock } from "../../src/base/clock.ts";
import type { HistogramDeclaration, MetricDeclaration } from "../../src/telemetry/metrics/declaration.ts";
import {
  prefixHitBytes,
  prefixHitRatio,
  requestProcessing,
  responseProcessing,
  schedulerDuration,
} from "../../src/telemetry/metrics/pool-metrics.ts";
import {
  requestHistograms,
  requestRunning,
  requestTotal,
  timeToFirstToken,
} from "../../src/telemetry/metrics/request-metrics.ts";
import { REQUEST_COLUMNS } from "../../src/telemetry/series/columns.ts";
import { RequestSeries } from "../../src/telemetry/series/request-series.ts";
import { allocateShardSeries, ShardSeries } from "../../src/telemetry/series/shard-series.ts";
import type { MicroBench, MicroBenchCase } from "../harness.ts";

/** Pieces of the response. */
const CHUNK_COUNTS = [1, 100];

const LABELS = { modelName: "llama-70b", targetModelName: "llama-70b", fairnessId: "team-a", priority: 0 };
const PICK = { slot: 3, generation: 1, candidateCount: 8, blockCount: 16, matchedBlocks: 8 };
const CHUNK_SIZE = 220;

export const requestMeterBench: MicroBench = {
  name: "request-meter",
  unit: "request",
  cases: () => CHUNK_COUNTS.map((chunks) => meterCase(chunks)),
};

function meterCase(chunks: number): MicroBenchCase {
  const series = new ShardSeries(allocateShardSeries());
  const metrics = new RequestSeries(series, systemClock);
  const theirs = new Theirs();
  const serve = (): void => {
    const meter = metrics.open("request");
    meter.identify(LABELS);
    meter.onScheduled({ pick: PICK, blockSize: 256, durationMs: 0.01 });
    meter.onRouted({ slot: 3, tokens: 1_000, requestSize: 5_000 });
    meter.onAnswered();
    meter.onResponseHeaders({ status: 200, isStreaming: true });
    for (let chunk = 0; chunk < chunks; chunk++) {
      meter.onResponseChunk(CHUNK_SIZE);
      meter.onResponseChunkDone();
    }
    meter.onClosed({ isComplete: true, usage: { promptTokens: 1_000, cachedTokens: 0, completionTokens: 100 } });
  };
  return {
    label: `response of ${chunks} ${chunks === 1 ? "piece" : "pieces"}`,
    ...(chunks > 1 && { target: { text: "≤ 20 µs", met: ({ p50Ns }) => p50Ns <= 20_000 } }),
    kernel: serve,
    baseline: () => theirs.serve(chunks),
    baselineName: "prom-client",
    async check() {
      serve();
      theirs.serve(chunks);
      const gaps = REQUEST_COLUMNS.histograms.chunkGap;
      const ours = series.requests.cells.subarray(gaps.at, gaps.at + gaps.bounds.length + 1);
      const count = ours.reduce((sum, value) => sum + value, 0);
      const text = await theirs.registry.getSingleMetricAsString(requestHistograms.chunkGap.name);
      const theirCount = Number(/_count\{.*\} (\d+)/.exec(text)?.[1] ?? 0);
      if (count !== chunks - 1 || theirCount !== count) throw new Error(`${count} gaps, prom-client has ${theirCount}`);
      return `${chunks} pieces, ${count} gaps`;
    },
  };
}

const named = ({ name, help, labels }: MetricDeclaration): { name: string; help: string; labelNames: string[] } => {
  return { name, help, labelNames: [...labels] };
};

/** The same in prom-client's objects, children looked up once per request as one would. */
class Theirs {
  readonly registry: Registry = new Registry();
  readonly #total = new Counter({ ...named(requestTotal), registers: [this.registry] });
  readonly #running = new Gauge({ ...named(requestRunning), registers: [this.registry] });
  readonly #own = Object.fromEntries(
    Object.entries(requestHistograms).map(([name, declaration]) => [name, this.#histogram(declaration)]),
  ) as Record<keyof typeof requestHistograms, Histogram>;
  readonly #first = this.#histogram(timeToFirstToken);
  readonly #shared = [schedulerDuration, requestProcessing, responseProcessing].map((one) => this.#histogram(one));
  readonly #hits = [prefixHitRatio, prefixHitBytes].map((one) => this.#histogram(one));

  serve(chunks: number): void {
    const labels = {
      model_name: LABELS.modelName,
      target_model_name: LABELS.targetModelName,
      fairness_id: LABELS.fairnessId,
      priority: "0",
    };
    const receivedMs = systemClock.nowMs();
    this.#total.inc(labels);
    this.#own.requestSize.observe(labels, 5_000);
    this.#running.inc(labels);
    for (const hit of this.#hits) hit.observe({ plugin_name: "prefix", plugin_type: "prefix" }, 0.5);
    const gaps = this.#own.chunkGap.labels(labels);
    let lastMs = systemClock.nowMs();
    let handledMs = 0;
    for (let chunk = 0; chunk < chunks; chunk++) {
      const nowMs = systemClock.nowMs();
      if (chunk > 0) gaps.observe((nowMs - lastMs) / 1_000);
      lastMs = nowMs;
      handledMs += systemClock.nowMs() - nowMs;
    }
    const durationSeconds = (lastMs - receivedMs) / 1_000;
    this.#own.duration.observe(labels, durationSeconds);
    this.#own.responseSize.observe(labels, chunks * CHUNK_SIZE);
    this.#own.inputTokens.observe(labels, 1_000);
    this.#own.outputTokens.observe(labels, 100);
    this.#own.cachedTokens.observe(labels, 0);
    this.#own.normalizedTimePerToken.observe(labels, durationSeconds / 100);
    this.#own.timePerToken.observe(labels, durationSeconds / 99);
    this.#first.observe({ ...labels, streaming: "true" }, durationSeconds);
    for (const shared of this.#shared) shared.observe(handledMs / 1_000);
    this.#running.dec(labels);
  }

  #histogram(declaration: HistogramDeclaration): Histogram {
    return new Histogram({ ...named(declaration), buckets: [...declaration.buckets], registers: [this.registry] });
  }
}
