/** The result of one load as text. */
import type { LatencySummary } from "./latency-histogram.ts";
import type { LoadResult } from "./load-run.ts";

export function formatLoad(result: LoadResult): string {
  const { generator, server, generatorLimit } = result;
  const offered = result.offeredPerSecond === undefined ? "" : `offered ${rate(result.offeredPerSecond)}, achieved `;
  const errors = Object.entries(result.errors).map(([kind, count]) => `error       ${count} × ${kind}`);
  if (result.completedCount === 0) return ["exchanges   none completed", ...errors].join("\n");
  const lines = [
    `exchanges   ${result.completedCount} in ${(result.durationMs / 1000).toFixed(2)} s, ${failures(result)}`,
    ...(generatorLimit === undefined
      ? [
          `rate        ${offered}${rate(result.ratePerSecond)} over ${result.connectionCount} new connections`,
          `pick        ${latencies(result.pick)}`,
          `exchange    ${latencies(result.exchange)}`,
        ]
      : [`rate        none: the generator was the limit, ${generatorLimit}`]),
    ...errors,
    `generator   ${us(generator.cpuPerExchangeUs)} of CPU per exchange, busy ${percent(generator.busyFraction)}`,
  ];
  if (server !== undefined) {
    const perChunk = us((server.cpuSeconds * 1e6) / result.chunkCount);
    const perExchange = us(server.cpuPerExchangeUs);
    lines.push(
      `server CPU  ${perExchange} per exchange (${perChunk} per chunk), ${percent(server.cpuFraction)} of a core`,
      `server RSS  ${megabytes(server.memoryBytes)}, at most ${megabytes(server.memoryBytesMax)}`,
    );
  }
  return lines.join("\n");
}

function failures({ errors }: LoadResult): string {
  const count = Object.values(errors).reduce((sum, one) => sum + one, 0);
  return count === 0 ? "no errors" : `${count} failed`;
}

function latencies({ p50Ms, p90Ms, p99Ms, p999Ms, maxMs }: LatencySummary): string {
  const named = Object.entries({ p50: p50Ms, p90: p90Ms, p99: p99Ms, "p99.9": p999Ms, max: maxMs });
  return named.map(([name, ms]) => `${name} ${ms.toFixed(ms < 10 ? 3 : 1)} ms`).join(", ");
}

function rate(perSecond: number): string {
  return `${Math.round(perSecond)}/s`;
}

function us(value: number): string {
  return `${value.toFixed(value < 100 ? 1 : 0)} µs`;
}

function percent(fraction: number): string {
  return `${Math.round(100 * fraction)} %`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
