/**
 * What our picker costs beside a bare gRPC server: servers are driven with the same loads in turn (A B C A B C), and
 * each figure is a ratio to the first of them within one round, so that it holds when the machine's speed drifts.
 * Reported are medians and spans.
 */
import type { Clock } from "../../src/base/clock.ts";
import { type BenchSurroundings, surroundings } from "../harness.ts";
import { type LoadOptions, type LoadResult, runLoad } from "./load-run.ts";
import type { ServerUnderTest } from "./servers.ts";

/** What every load of the matrix has in common. */
export interface MatrixOptions {
  readonly load: Omit<LoadOptions, "target" | "pid" | "pace" | "run">;
  readonly roundCount: number;
  readonly isPinned: boolean;
  readonly onProgress: (text: string) => void;
}

interface MatrixLoad {
  readonly name: keyof typeof LOADS;
  readonly bodySize: number;
  readonly chunkCount: number;
  readonly concurrency: number;
}

/** Fewer at a time where bodies are large, as in the field. */
const LOADS = {
  small: { bodySize: 4 * 1024, chunkCount: 1, concurrency: 32 },
  large: { bodySize: 256 * 1024, chunkCount: 1, concurrency: 16 },
  chunks: { bodySize: 4 * 1024, chunkCount: 1000, concurrency: 32 },
  text220: { bodySize: 220_000, chunkCount: 1, concurrency: 16 },
  text450: { bodySize: 450_000, chunkCount: 1, concurrency: 16 },
} as const;

/** However slow a machine is: CPU time comes in steps of 10 ms. */
const EXCHANGES_MIN = 50;

type MeasureName = "cpuSmall" | "cpuLarge" | "cpuChunk" | "rate220" | "rate450";

/** Servers get cheaper over their first exchanges, ours by half; on a busy machine these may take a while. */
const WARM_UP_EXCHANGES = 20_000;
const WARM_UP_TURNS_MAX = 20;

/** One server in one round; undefined where the generator was the limit. */
type RoundFigures = Readonly<Record<MeasureName, number | undefined>>;

interface Measure {
  readonly label: string;
  readonly unit: string;
  /** What the picker is to reach: a ratio to the bare server at most, or a figure at least. */
  readonly target: { readonly ratioMax: number } | { readonly min: number };
}

/** The rows of the table, in its order. */
const MEASURES: Readonly<Record<MeasureName, Measure>> = {
  cpuSmall: { label: "CPU per exchange, 4 KiB, 1 chunk", unit: "µs", target: { ratioMax: 1.25 } },
  cpuLarge: { label: "CPU per exchange, 256 KiB, 1 chunk", unit: "µs", target: { ratioMax: 1.3 } },
  cpuChunk: { label: "CPU per response chunk", unit: "µs", target: { ratioMax: 1.2 } },
  rate220: { label: "exchanges per second of CPU, 220 KB", unit: "/s", target: { min: 1_500 } },
  rate450: { label: "exchanges per second of CPU, 450 KB", unit: "/s", target: { min: 500 } },
};

/** Over the rounds. */
export interface Span {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface MeasureRecord extends Measure {
  /** In the order of the record's servers; absent where the generator was the limit in every round. */
  readonly figures: readonly (Span | undefined)[];
  /** Of each server to the first one, round by round. */
  readonly ratios: readonly (Span | undefined)[];
}

export interface LoadRecord extends BenchSurroundings {
  readonly name: "load";
  readonly seed: number;
  readonly roundCount: number;
  readonly durationMs: number;
  readonly isPinned: boolean;
  /** The first is the base of the ratios, the second what targets are for. */
  readonly servers: readonly { readonly name: string; readonly memoryBytesMax: number }[];
  readonly measures: readonly MeasureRecord[];
  /** Exchanges that failed, in all rounds. */
  readonly errorCount: number;
  /** Rounds in which the generator was the limit, and why. */
  readonly generatorLimits: readonly string[];
  readonly generatorCpuPerExchangeUs: number;
  /** How the generator compares with h2load, or that it could not be compared. */
  readonly h2load: string;
}

/** Drives all in turn, after rounds that do not count. */
export async function runMatrix(
  servers: readonly ServerUnderTest[],
  options: MatrixOptions,
  clock: Clock,
): Promise<Omit<LoadRecord, "h2load">> {
  const matrix = new Matrix(options, clock);
  for (const server of servers) await matrix.warmUp(server);
  matrix.forgetNotes();
  const rounds: RoundFigures[][] = [];
  for (let round = 1; round <= options.roundCount; round++) {
    const figures: RoundFigures[] = [];
    for (const server of servers)
      figures.push(await matrix.runRound(server, `round ${round} of ${options.roundCount}`));
    rounds.push(figures);
  }
  const measures = (Object.keys(MEASURES) as MeasureName[]).map((name): MeasureRecord => {
    const ofServer = (index: number): (number | undefined)[] => rounds.map((figures) => figures[index]?.[name]);
    const bases = ofServer(0);
    return {
      ...MEASURES[name],
      figures: servers.map((_, index) => spanOfKnown(ofServer(index))),
      ratios: servers.map((_, index) =>
        spanOfKnown(ofServer(index).map((figure, round) => ratioOf(figure, bases[round]))),
      ),
    };
  });
  return {
    name: "load",
    ...surroundings(),
    seed: options.load.seed,
    roundCount: options.roundCount,
    durationMs: options.load.durationMs,
    isPinned: options.isPinned,
    measures,
    ...matrix.notes(servers),
  };
}

function ratioOf(figure: number | undefined, base: number | undefined): number | undefined {
  return figure === undefined || base === undefined ? undefined : figure / base;
}

function spanOfKnown(values: readonly (number | undefined)[]): Span | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : spanOf(known);
}

class Matrix {
  readonly #options: MatrixOptions;
  readonly #clock: Clock;
  #run = 0;
  #errorCount = 0;
  #limits: string[] = [];
  /** Of the smallest exchanges, where the generator's own cost matters most. */
  #generatorCosts: number[] = [];
  readonly #memoryBytesMax = new Map<string, number>();

  constructor(options: MatrixOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  async warmUp(server: ServerUnderTest): Promise<void> {
    let exchanges = 0;
    for (let turn = 0; turn < WARM_UP_TURNS_MAX && exchanges < WARM_UP_EXCHANGES; turn++) {
      exchanges += (await this.#load(server, { round: "warm-up", name: "small" })).completedCount;
    }
    await this.runRound(server, "warm-up");
  }

  async runRound(server: ServerUnderTest, round: string): Promise<RoundFigures> {
    const run = (name: MatrixLoad["name"]): Promise<LoadResult> => this.#load(server, { round, name });
    const small = await run("small");
    const large = await run("large");
    const chunks = await run("chunks");
    const text220 = await run("text220");
    const text450 = await run("text450");
    this.#generatorCosts.push(small.generator.cpuPerExchangeUs);
    return {
      cpuSmall: cpuOf(small),
      cpuLarge: cpuOf(large),
      cpuChunk: cpuPerChunkUs(chunks, cpuOf(small)),
      rate220: 1e6 / cpuOf(text220),
      rate450: 1e6 / cpuOf(text450),
    };
  }

  /** What was noted while servers warmed up. */
  forgetNotes(): void {
    this.#errorCount = 0;
    this.#limits = [];
    this.#generatorCosts = [];
  }

  notes(
    servers: readonly ServerUnderTest[],
  ): Pick<LoadRecord, "errorCount" | "generatorLimits" | "generatorCpuPerExchangeUs" | "servers"> {
    return {
      servers: servers.map(({ name }) => ({ name, memoryBytesMax: this.#memoryBytesMax.get(name) ?? 0 })),
      errorCount: this.#errorCount,
      generatorLimits: this.#limits,
      generatorCpuPerExchangeUs: spanOf(this.#generatorCosts).median,
    };
  }

  async #load(server: ServerUnderTest, { round, name }: Turn): Promise<LoadResult> {
    const { concurrency, ...script } = LOADS[name];
    const { load, onProgress } = this.#options;
    const options: LoadOptions = {
      ...load,
      script: { ...load.script, ...script },
      pace: { kind: "closed", concurrency },
      exchangeCountMin: EXCHANGES_MIN,
      target: { host: "127.0.0.1", port: server.port, isTls: server.isTls },
      pid: server.pid,
      run: this.#run++,
    };
    const result = await runLoad(options, this.#clock);
    const what = `${round}, ${server.name}, ${name}`;
    const figures = `${Math.round(result.ratePerSecond)}/s, ${cpuOf(result).toFixed(1)} µs of CPU`;
    onProgress(`${what}: ${figures}`);
    for (const [error, count] of Object.entries(result.errors)) {
      this.#errorCount += count;
      onProgress(`${what}: ${count} × ${error}`);
    }
    if (result.generatorLimit !== undefined) this.#limits.push(`${what}: ${result.generatorLimit}`);
    this.#memoryBytesMax.set(server.name, result.server?.memoryBytesMax ?? 0);
    return result;
  }
}

/** One load of a round. */
interface Turn {
  readonly round: string;
  readonly name: MatrixLoad["name"];
}

function cpuOf({ server }: LoadResult): number {
  return server?.cpuPerExchangeUs ?? Number.NaN;
}

/** Without what an exchange costs that has hardly any. Long exchanges need not end within the measured time. */
function cpuPerChunkUs({ server, completedCount, chunkCount }: LoadResult, perExchangeUs: number): number {
  return ((server?.cpuSeconds ?? Number.NaN) * 1e6 - completedCount * perExchangeUs) / chunkCount;
}

export function spanOf(values: readonly number[]): Span {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return {
    median: ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2,
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
  };
}
