/** `docs/fleet.md`: under which names each engine family reports its load, from `src/scrape/engines/`. */
import type { EngineMetrics, SeriesSpec } from "../../src/framework/data-sources.ts";
import { BUILTIN_ENGINES } from "../../src/scrape/engines/built-in.ts";
import { formatSeriesSpec } from "../../src/scrape/series-spec.ts";
import { code, markdownTable } from "./markdown.ts";

export function engineTable(): string {
  const rows = BUILTIN_ENGINES.map((engine) => [
    code(engine.name),
    describe(engine.queueDepthRequests),
    describe(engine.runningRequests),
    describe(engine.kvCacheUsageFraction),
    describe(engine.adapters),
    describeCache(engine),
  ]);
  return markdownTable(["Engine", "Waiting", "Running", "KV cache in use", "Adapters", "KV cache blocks"], rows);
}

function describe(series: SeriesSpec | undefined): string {
  return series === undefined ? "–" : code(formatSeriesSpec(series));
}

function describeCache({ cacheInfo, cacheBlockSizeTokens, cacheBlockCount }: EngineMetrics): string {
  if (cacheInfo !== undefined) {
    const { series, blockSizeLabel, blockCountLabel } = cacheInfo;
    return `${describe(series)}, labels ${code(blockSizeLabel)} and ${code(blockCountLabel)}`;
  }
  const gauges = [cacheBlockSizeTokens, cacheBlockCount].filter((series) => series !== undefined);
  return gauges.length === 0 ? "–" : gauges.map(describe).join(", ");
}
