/** Writes the metrics of the pool, the scheduler, plugins, the data layer and the program. */

import type { MetricSources } from "../metrics.ts";
import { type HistogramColumns, PLUGIN_COLUMNS, SHARED_COLUMNS, STREAM_CODES } from "../series/columns.ts";
import { sumOf } from "../series/row-groups.ts";
import { attemptsOf } from "../series/series-view.ts";
import { NO_SLOT } from "../series/shard-series.ts";
import type { MetricDeclaration } from "./declaration.ts";
import { familyHead, HistogramText, LabelText, sampleLine } from "./exposition.ts";
import {
  buildInfo,
  endpointQueueSize,
  extractErrors,
  inFlightRequests,
  inFlightTokens,
  type PoolGauge,
  pluginDuration,
  pollErrors,
  poolGauges,
  prefixHitBytes,
  prefixHitRatio,
  prefixIndexSize,
  requestProcessing,
  responseProcessing,
  rewriteDecisions,
  schedulerAttempts,
  schedulerDuration,
  streamDuration,
  streamsInFlight,
  streamsTotal,
} from "./pool-metrics.ts";

/** Whose plugin the Go picker has for what is in flight. */
const IN_FLIGHT_PRODUCER = "inflight-load-producer";

export interface PoolFamilyOptions {
  readonly withTwins: boolean;
  /** Metrics of `--enable-grpc-stream-metrics`. */
  readonly withStreams: boolean;
}

/** A value and its labels, in the order of the metric's. */
interface Sample {
  readonly labels: readonly string[];
  readonly value: number | Float64Array;
}

/** The samples of a metric, or of its twin: those have the same labels in number, or none. */
type Samples = () => Iterable<Sample>;

export function* poolFamilies(sources: MetricSources, options: PoolFamilyOptions): Iterable<string> {
  const family = (declaration: MetricDeclaration, samples: Samples): Iterable<string> => {
    return familyPieces(declaration, samples, options.withTwins);
  };
  const { poolName, dataLayer, build, counters, series, prefixPlugin } = sources;
  const gauges = sources.poolGauges();
  for (const [gauge, declaration] of Object.entries(poolGauges)) {
    yield* family(declaration, () => [{ labels: [poolName], value: gauges[gauge as PoolGauge] }]);
  }
  yield* endpointFamilies(sources, family);
  const shared = (columns: HistogramColumns): Float64Array => sumHistogram(columns, (column) => series.shared(column));
  const prefixLabels = [prefixPlugin.name, prefixPlugin.type];
  yield* family(schedulerDuration, () => [{ labels: [], value: shared(SHARED_COLUMNS.scheduler) }]);
  yield* family(pluginDuration, () =>
    series.plugins().map(({ labels, rows }) => ({
      labels,
      value: sumHistogram(PLUGIN_COLUMNS.duration, (column) => sumOf(rows, column)),
    })),
  );
  yield* family(requestProcessing, () => [{ labels: [], value: shared(SHARED_COLUMNS.requestProcessing) }]);
  yield* family(responseProcessing, () => [{ labels: [], value: shared(SHARED_COLUMNS.responseProcessing) }]);
  yield* family(buildInfo, () => [{ labels: [build.commit, build.buildRef], value: 1 }]);
  yield* family(rewriteDecisions, () => []);
  yield* family(pollErrors, () => dataLayer.polls().map(([source, value]) => ({ labels: [source], value })));
  yield* family(extractErrors, () =>
    dataLayer.extracts().map(([source, extractor, value]) => ({ labels: [source, extractor], value })),
  );
  yield* family(prefixIndexSize, () => [{ labels: prefixLabels, value: counters.indexKeyCount }]);
  yield* family(prefixHitRatio, () => [{ labels: prefixLabels, value: shared(SHARED_COLUMNS.hitRatio) }]);
  yield* family(prefixHitBytes, () => [{ labels: prefixLabels, value: shared(SHARED_COLUMNS.hitBytes) }]);
  if (!options.withStreams) return;
  yield* family(streamsInFlight, () => [{ labels: [], value: series.shared(SHARED_COLUMNS.streamsOpen) }]);
  yield* family(streamDuration, () => [{ labels: [], value: shared(SHARED_COLUMNS.streamDuration) }]);
  yield* family(streamsTotal, () =>
    STREAM_CODES.map((code, index) => ({ labels: [code], value: series.shared(SHARED_COLUMNS.streams + index) })),
  );
}

/** What has a series per endpoint. */
function* endpointFamilies(
  { fleet, poolName, series }: MetricSources,
  family: (declaration: MetricDeclaration, samples: Samples) => Iterable<string>,
): Iterable<string> {
  const { endpoints } = fleet();
  const bySlot = new Map(endpoints.map((endpoint) => [endpoint.slot, endpoint]));
  yield* family(endpointQueueSize, function* () {
    for (const { name, load } of endpoints) {
      const value = load?.queueDepthRequests;
      if (value !== undefined) yield { labels: [poolName, name], value };
    }
  });
  const flows = (column: number): Samples =>
    function* () {
      for (const { labels, rows } of series.flows()) {
        const [slot, fairnessId, priority] = labels;
        const endpoint = bySlot.get(slot);
        if (endpoint === undefined) continue;
        const { name, namespace } = endpoint;
        yield { labels: [name, namespace, IN_FLIGHT_PRODUCER, fairnessId, priority], value: sumOf(rows, column) };
      }
    };
  yield* family(inFlightRequests, flows(0));
  yield* family(inFlightTokens, flows(1));
  yield* family(schedulerAttempts, function* () {
    for (const group of series.attempts()) {
      const [slot, targetModelName] = group.labels;
      if (slot === NO_SLOT) {
        yield { labels: ["failure", targetModelName, "", "", ""], value: attemptsOf(group, 0) };
        continue;
      }
      const endpoint = bySlot.get(slot);
      const count = endpoint === undefined ? 0 : attemptsOf(group, endpoint.generation);
      if (endpoint === undefined || count === 0) continue;
      const { name, namespace, port } = endpoint;
      yield { labels: ["success", targetModelName, name, namespace, String(port)], value: count };
    }
  });
}

/** Samples that make one piece. */
const SAMPLES_PER_PIECE = 64;

function* familyPieces(declaration: MetricDeclaration, samples: Samples, withTwins: boolean): Iterable<string> {
  yield* metricPieces(declaration, samples);
  const { twin } = declaration;
  if (twin === undefined || !withTwins) return;
  const help = `Older name of ${declaration.name}.`;
  yield* metricPieces({ ...declaration, ...twin, help }, samples);
}

function* metricPieces(declaration: MetricDeclaration, samples: Samples): Iterable<string> {
  const { name, labels: names, buckets } = declaration;
  const histogram = buckets && new HistogramText(name, buckets);
  const labelText = new LabelText(names);
  let text = familyHead(declaration);
  let count = 0;
  for (const { labels, value } of samples()) {
    const written = labelText.of(labels);
    if (typeof value === "number") text += sampleLine(name, written, value);
    else text += histogram?.lines(written, value) ?? "";
    if (++count % SAMPLES_PER_PIECE !== 0) continue;
    yield text;
    text = "";
  }
  yield text;
}

function sumHistogram({ at, bounds }: HistogramColumns, read: (column: number) => number): Float64Array {
  return Float64Array.from({ length: bounds.length + 2 }, (_, index) => read(at + index));
}
