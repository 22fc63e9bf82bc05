/** What an exchange costs with several shards beside one: two pickers, driven in turn with the same load. */
import type { Clock } from "../../src/base/clock.ts";
import { scriptOptions } from "../load/exchange-script.ts";
import { type LoadOptions, runLoad } from "../load/load-run.ts";
import { pinGenerator, startPickerProcess } from "../load/servers.ts";

export interface CpuOptions {
  readonly shardCounts: readonly number[];
  readonly endpointCount: number;
  readonly connectionCount: number;
  readonly concurrency: number;
  readonly roundCount: number;
  readonly durationMs: number;
  /** Exchanges before anything is measured, per shard: each compiles its own code. */
  readonly warmUpCount: number;
  readonly seed: number;
  readonly clock: Clock;
  readonly onProgress: (text: string) => void;
}

/** Of one picker, round by round. */
export interface CpuUse {
  readonly shardCount: number;
  readonly cpuPerExchangeUs: readonly number[];
  readonly errorCount: number;
}

type Load = Omit<LoadOptions, "target" | "pid" | "run" | "durationMs" | "exchangeCountMin">;

/** The pickers are gone when it resolves. */
export async function measureCpu(options: CpuOptions): Promise<CpuUse[]> {
  const { shardCounts, endpointCount, roundCount, durationMs, warmUpCount, clock, onProgress } = options;
  const pinning = pinGenerator();
  const pickers: { readonly shardCount: number; readonly picker: Picker; readonly figures: number[] }[] = [];
  const load = loadOf(options);
  let run = 0;
  let errorCount = 0;
  const drive = async (
    picker: Picker,
    length: Pick<LoadOptions, "durationMs" | "exchangeCountMin">,
  ): Promise<number> => {
    const target = { host: "127.0.0.1", port: picker.port, isTls: false };
    const result = await runLoad({ ...load, ...length, target, pid: picker.pid, run: run++ }, clock);
    errorCount += Object.values(result.errors).reduce((sum, count) => sum + count, 0);
    return result.server?.cpuPerExchangeUs ?? Number.NaN;
  };
  try {
    for (const shardCount of shardCounts) {
      const picker = await startPickerProcess({ pinning, endpointCount, shardCount });
      pickers.push({ shardCount, picker, figures: [] });
      await drive(picker, { durationMs: 1, exchangeCountMin: warmUpCount * shardCount });
    }
    for (let round = 1; round <= roundCount; round++) {
      for (const { shardCount, picker, figures } of pickers) {
        figures.push(await drive(picker, { durationMs }));
        onProgress(`CPU, round ${round}, ${shardCount} shards: ${figures.at(-1)?.toFixed(1)} µs`);
      }
    }
    return pickers.map(({ shardCount, figures }) => ({ shardCount, cpuPerExchangeUs: figures, errorCount }));
  } finally {
    await Promise.all(pickers.map(({ picker }) => picker.end()));
  }
}

type Picker = Awaited<ReturnType<typeof startPickerProcess>>;

const BODY_SIZE = 4_096;

function loadOf({ connectionCount, concurrency, seed }: CpuOptions): Load {
  const exchange = { ending: "reset", chunksInFlight: 1, isAtOnce: false, mayEndAfterPick: false } as const;
  const connections = { authority: "localhost", connectionCount, threadCount: 1, timeoutMs: 10_000 };
  const script = scriptOptions({ bodySize: BODY_SIZE });
  return { ...exchange, ...connections, warmUpMs: 100, pace: { kind: "closed", concurrency }, seed, script };
}
