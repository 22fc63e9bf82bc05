/**
 * What our picker costs beside a bare gRPC server: both are driven with the same loads in turn (A B A B), and each
 * figure is a ratio within one round, so that it holds when the machine's speed drifts. Reported are medians and spans.
 */
import type { Clock } from "../../src/base/clock.ts";
import { type BenchSurroundings, surroundings } from "../harness.ts";
import type { Pace } from "./generator.ts";
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

/** Part of the rate of a closed loop at which latency is measured. */
const OPEN_LOOP_FRACTION = 0.5;

type MeasureName = "cpuSmall" | "cpuLarge" | "cpuChunk" | "rate220" | "rate450" | "pickP50" | "pickP99";

/** Servers get cheaper over their first exchanges, ours by half; on a busy machine these may take a while. */
const WARM_UP_EXCHANGES = 20_000;
const WARM_UP_TURNS_MAX = 20;

/** One server in one round; undefined where the generator was the limit. */
type RoundFigures = Readonly<Record<MeasureName, number | undefined>>;

interface Measure {
  readonly label: string;
  readonly unit: string;
}

/** The rows of the table, in its order. */
const MEASURES: Readonly<Record<MeasureName, Measure>> = {
  cpuSmall: { label: "CPU per exchange, 4 KiB, 1 chunk", unit: "µs" },
  cpuLarge: { label: "CPU per exchange, 256 KiB, 1 chunk", unit: "µs" },
  cpuChunk: { label: "CPU per response chunk", unit: "µs" },
  rate220: { label: "exchanges per second of CPU, 220 KB", unit: "/s" },
  rate450: { label: "exchanges per second of CPU, 450 KB", unit: "/s" },
  pickP50: { label: "pick p50 at half the closed loop's rate, 4 KiB", unit: "ms" },
  pickP99: { label: "pick p99 at half the closed loop's rate, 4 KiB", unit: "ms" },
};

/** Over the rounds. */
export interface Span {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface MeasureRecord extends Measure {
  /** Absent, all three, where the generator was the limit in every round. */
  readonly bare?: Span;
  readonly picker?: Span;
  /** Picker over bare server, round by round. */
  readonly ratio?: Span;
}

export interface LoadRecord extends BenchSurroundings {
  readonly name: "load";
  readonly seed: number;
  readonly roundCount: number;
  readonly durationMs: number;
  readonly isPinned: boolean;
  readonly measures: readonly MeasureRecord[];
  /** Exchanges that failed, in all rounds. */
  readonly errorCount: number;
  /** Rounds in which the generator was the limit, and why. */
  readonly generatorLimits: readonly string[];
  readonly generatorCpuPerExchangeUs: number;
  readonly memoryBytesMax: { readonly bare: number; readonly picker: number };
  /** How the generator compares with h2load, or that it could not be compared. */
  readonly h2load: string;
}

/** Drives both in turn, after rounds that do not count. */
export async function runMatrix(
  servers: { readonly bare: ServerUnderTest; readonly picker: ServerUnderTest },
  options: MatrixOptions,
  clock: Clock,
): Promise<Omit<LoadRecord, "h2load">> {
  const matrix = new Matrix(options, clock);
  for (const server of [servers.bare, servers.picker]) await matrix.warmUp(server);
  matrix.forgetNotes();
  const rounds: { bare: RoundFigures; picker: RoundFigures }[] = [];
  for (let round = 1; round <= options.roundCount; round++) {
    const name = `round ${round} of ${options.roundCount}`;
    const bare = await matrix.runRound(servers.bare, name);
    rounds.push({ bare, picker: await matrix.runRound(servers.picker, name) });
  }
  const measures = (Object.keys(MEASURES) as MeasureName[]).map((name): MeasureRecord => {
    const pairs = rounds.flatMap((round) => {
      const [bare, picker] = [round.bare[name], round.picker[name]];
      return bare === undefined || picker === undefined ? [] : [{ bare, picker }];
    });
    if (pairs.length === 0) return MEASURES[name];
    return {
      ...MEASURES[name],
      bare: spanOf(pairs.map(({ bare }) => bare)),
      picker: spanOf(pairs.map(({ picker }) => picker)),
      ratio: spanOf(pairs.map(({ bare, picker }) => picker / bare)),
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
    const run = (name: MatrixLoad["name"], pace?: Pace): Promise<LoadResult> =>
      this.#load(server, { round, name, ...(pace && { pace }) });
    const small = await run("small");
    const large = await run("large");
    const chunks = await run("chunks");
    const text220 = await run("text220");
    const text450 = await run("text450");
    const half = await run("small", { kind: "open", ratePerSecond: small.ratePerSecond * OPEN_LOOP_FRACTION });
    this.#generatorCosts.push(small.generator.cpuPerExchangeUs);
    return {
      cpuSmall: cpuOf(small),
      cpuLarge: cpuOf(large),
      cpuChunk: cpuPerChunkUs(chunks, cpuOf(small)),
      rate220: 1e6 / cpuOf(text220),
      rate450: 1e6 / cpuOf(text450),
      pickP50: half.generatorLimit === undefined ? half.pick.p50Ms : undefined,
      pickP99: half.generatorLimit === undefined ? half.pick.p99Ms : undefined,
    };
  }

  /** What was noted while servers warmed up. */
  forgetNotes(): void {
    this.#errorCount = 0;
    this.#limits = [];
    this.#generatorCosts = [];
  }

  notes(servers: {
    readonly bare: ServerUnderTest;
    readonly picker: ServerUnderTest;
  }): Pick<LoadRecord, "errorCount" | "generatorLimits" | "generatorCpuPerExchangeUs" | "memoryBytesMax"> {
    const memoryOf = ({ name }: ServerUnderTest): number => this.#memoryBytesMax.get(name) ?? 0;
    return {
      errorCount: this.#errorCount,
      generatorLimits: this.#limits,
      generatorCpuPerExchangeUs: spanOf(this.#generatorCosts).median,
      memoryBytesMax: { bare: memoryOf(servers.bare), picker: memoryOf(servers.picker) },
    };
  }

  async #load(server: ServerUnderTest, { round, name, pace }: Turn): Promise<LoadResult> {
    const { concurrency, ...script } = LOADS[name];
    const { load, onProgress } = this.#options;
    const options: LoadOptions = {
      ...load,
      script: { ...load.script, ...script },
      pace: pace ?? { kind: "closed", concurrency },
      exchangeCountMin: EXCHANGES_MIN,
      target: { host: "127.0.0.1", port: server.port, isTls: false },
      pid: server.pid,
      run: this.#run++,
    };
    const result = await runLoad(options, this.#clock);
    const what = `${round}, ${server.name}, ${name}${pace === undefined ? "" : " at half the rate"}`;
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
  /** A closed loop when absent. */
  readonly pace?: Pace;
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
