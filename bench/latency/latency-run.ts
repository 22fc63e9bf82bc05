/**
 * Latency of picks where servers still have time: each server's saturation is found by closed loops, then all of them
 * are driven at the same rates in open loops, in turn, round by round. A rate is half of what one of them can do; where
 * that is more than another one can, the other is left out.
 */
import type { Clock } from "../../src/base/clock.ts";
import type { LatencySummary } from "../load/latency-histogram.ts";
import { type LoadOptions, type LoadResult, runLoad } from "../load/load-run.ts";
import { spanOf } from "../load/matrix.ts";
import type { ServerUnderTest } from "../load/servers.ts";

export interface LatencyOptions {
  readonly clock: Clock;
  readonly load: Omit<LoadOptions, "target" | "pid" | "pace" | "run">;
  /** Exchanges that are open in a closed loop. */
  readonly concurrency: number;
  readonly roundCount: number;
  readonly onProgress: (text: string) => void;
}

/** One server at one rate: medians over the rounds in which the generator was not the limit. */
export interface LatencyAtRate {
  readonly server: string;
  readonly rateName: string;
  readonly offeredPerSecond: number;
  readonly achievedPerSecond: number;
  readonly pick: Omit<LatencySummary, "samples">;
  readonly roundCount: number;
  readonly errorCount: number;
}

export interface LatencyResult {
  /** Exchanges per second of a closed loop, by server. */
  readonly saturation: Readonly<Record<string, number>>;
  readonly rates: readonly LatencyAtRate[];
  readonly generatorLimits: readonly string[];
}

const LOAD_FRACTION = 0.5;
/** Of its saturation, the most at which a server is driven: beyond, latency is that of a pile of requests. */
const LOAD_FRACTION_MAX = 0.9;
/** Of which the first ones warm the server up; the last counts. */
const SATURATION_TURNS = 3;

/** Half of the saturation of each server gives a rate, and each server is driven at each rate that it can bear. */
export async function measureLatency(
  servers: readonly ServerUnderTest[],
  options: LatencyOptions,
): Promise<LatencyResult> {
  const bench = new LatencyBench(options);
  const saturation: Record<string, number> = {};
  for (const server of servers) saturation[server.name] = await bench.saturationOf(server);
  const rates = servers.map(({ name }) => ({
    rateName: `half of what the ${name} can do`,
    ratePerSecond: Math.round((saturation[name] ?? Number.NaN) * LOAD_FRACTION),
  }));
  const runs = rates.flatMap(({ rateName, ratePerSecond }) =>
    servers
      .filter(({ name }) => ratePerSecond <= (saturation[name] ?? Number.NaN) * LOAD_FRACTION_MAX)
      .map((server) => ({ rateName, ratePerSecond, server, results: [] as LoadResult[] })),
  );
  for (let round = 1; round <= options.roundCount; round++) {
    for (const { server, ratePerSecond, results } of runs) {
      results.push(await bench.runOpen(server, ratePerSecond, `round ${round} of ${options.roundCount}`));
    }
  }
  const figures = runs.map(({ rateName, ratePerSecond, server, results }) => {
    return { server: server.name, rateName, offeredPerSecond: ratePerSecond, ...mediansOf(results) };
  });
  return { saturation, rates: figures, generatorLimits: bench.generatorLimits };
}

class LatencyBench {
  readonly #options: LatencyOptions;
  readonly generatorLimits: string[] = [];
  #run = 0;

  constructor(options: LatencyOptions) {
    this.#options = options;
  }

  async saturationOf(server: ServerUnderTest): Promise<number> {
    const { concurrency, onProgress } = this.#options;
    let rate = 0;
    for (let turn = 1; turn <= SATURATION_TURNS; turn++) {
      const result = await this.#load(server, { kind: "closed", concurrency });
      rate = result.ratePerSecond;
      onProgress(`${server.name}, closed loop ${turn} of ${SATURATION_TURNS}: ${Math.round(rate)}/s`);
      if (turn === SATURATION_TURNS && result.generatorLimit !== undefined) {
        this.generatorLimits.push(`${server.name}, closed loop: ${result.generatorLimit}`);
      }
    }
    return rate;
  }

  async runOpen(server: ServerUnderTest, ratePerSecond: number, round: string): Promise<LoadResult> {
    const result = await this.#load(server, { kind: "open", ratePerSecond });
    const { p50Ms, p99Ms } = result.pick;
    const figures = `p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`;
    const what = `${round}, ${server.name}, ${ratePerSecond}/s`;
    this.#options.onProgress(`${what}: ${figures}, achieved ${Math.round(result.ratePerSecond)}/s`);
    if (result.generatorLimit !== undefined) this.generatorLimits.push(`${what}: ${result.generatorLimit}`);
    return result;
  }

  #load({ port, pid, isTls }: ServerUnderTest, pace: LoadOptions["pace"]): Promise<LoadResult> {
    const { load, clock } = this.#options;
    return runLoad({ ...load, target: { host: "127.0.0.1", port, isTls }, pid, pace, run: this.#run++ }, clock);
  }
}

function mediansOf(all: readonly LoadResult[]): Omit<LatencyAtRate, "server" | "rateName" | "offeredPerSecond"> {
  const usable = all.filter(({ generatorLimit }) => generatorLimit === undefined);
  const median = (read: (result: LoadResult) => number): number => spanOf(usable.map(read)).median;
  return {
    achievedPerSecond: median(({ ratePerSecond }) => ratePerSecond),
    pick: {
      p50Ms: median(({ pick }) => pick.p50Ms),
      p90Ms: median(({ pick }) => pick.p90Ms),
      p99Ms: median(({ pick }) => pick.p99Ms),
      p999Ms: median(({ pick }) => pick.p999Ms),
      maxMs: median(({ pick }) => pick.maxMs),
    },
    roundCount: usable.length,
    errorCount: all.flatMap(({ errors }) => Object.values(errors)).reduce((sum, count) => sum + count, 0),
  };
}
