/** The flags of `npm run bench:load`, once: parsing, `--help` and the errors come from this table. */
import { ConfigError } from "../../src/base/errors.ts";
import { choiceFlag, durationFlag, integerFlag, switchFlag, textFlag } from "../../src/platform/flag-kinds.ts";
import type { FlagDeclaration, FlagTableOf } from "../../src/platform/flags.ts";
import type { StreamEnding } from "./exchange.ts";
import { THREADS_MAX } from "./load-run.ts";

export interface LoadFlags {
  readonly target: string;
  readonly isTls: boolean;
  readonly authority: string;
  readonly path: string;
  readonly model: string;
  readonly connectionCount: number;
  readonly concurrency: number;
  /** 0 for a closed loop. */
  readonly ratePerSecond: number;
  readonly bodySize: number;
  readonly pieceSize: number;
  readonly chunkCount: number;
  readonly chunksInFlight: number;
  readonly prefixGroupCount: number;
  readonly prefixShare: number;
  readonly ending: StreamEnding;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** 0 for as many as there are. */
  readonly exchangeCountMin: number;
  readonly timeoutMs: number;
  readonly threadCount: number;
  readonly pid: number;
  readonly seed: number;
  readonly roundCount: number;
  readonly isJson: boolean;
  readonly saves: boolean;
}

const COUNT_MAX = 1_000_000;

export const LOAD_FLAGS: FlagTableOf<LoadFlags> = {
  target: textFlag("target", "host:port", "Picker to be driven. Without it: ours against the bare server.", ""),
  isTls: switchFlag("tls", "Speak TLS; the certificate is not checked."),
  authority: textFlag("authority", "name", "The :authority of each stream.", "localhost"),
  path: textFlag("path", "path", "Path of the requests.", "/v1/chat/completions"),
  model: textFlag("model", "name", "Model that the requests name.", "simulated-8b"),
  connectionCount: countFlag("connections", "Connections; Envoy has one per worker thread.", 2, 1024),
  concurrency: countFlag("concurrency", "Exchanges that are open at a time, when no rate is given.", 32, 100_000),
  ratePerSecond: integerFlag({
    name: "rate",
    valueName: "per second",
    help: "Exchanges begun per second, at random times; 0 begins one when another ends.",
    byDefault: 0,
    min: 0,
    max: COUNT_MAX,
  }),
  bodySize: sizeFlag("body-size", "Bytes of a request: 1KB, 4KB, 40KB, 220KB, 450KB, or any size.", "4KiB"),
  pieceSize: sizeFlag("piece-size", "Bytes of a request body per message.", "64KiB"),
  chunkCount: countFlag("chunks", "SSE chunks of a response: 1, 100, 1000, or any number.", 1, COUNT_MAX),
  chunksInFlight: countFlag("chunks-in-flight", "Chunks of one response that may be unanswered.", 1, COUNT_MAX),
  prefixGroupCount: countFlag("prefix-groups", "Groups of requests that share a prefix.", 16, 10_000),
  prefixShare: fractionFlag("prefix-share", "Part of a prompt that its group shares.", 0.75),
  ending: choiceFlag("end", "How a stream ends; Envoy resets.", ["reset", "half-close"]),
  warmUpMs: durationFlag({ name: "warm-up", help: "Load before measuring.", byDefaultMs: 1_000, minMs: 0 }),
  durationMs: durationFlag({ name: "duration", help: "Measured time.", byDefaultMs: 5_000, minMs: 1 }),
  exchangeCountMin: integerFlag({
    name: "exchanges",
    valueName: "count",
    help: "Measure longer, until so many exchanges have ended.",
    byDefault: 0,
    min: 0,
    max: COUNT_MAX,
  }),
  timeoutMs: durationFlag({
    name: "timeout",
    help: "An exchange without a word from the picker for so long has failed.",
    byDefaultMs: 10_000,
    minMs: 1,
  }),
  threadCount: countFlag("threads", "Threads that generate load.", 1, THREADS_MAX),
  pid: integerFlag({
    name: "pid",
    valueName: "process",
    help: "Process whose CPU time and memory is measured; 0 measures none.",
    byDefault: 0,
    min: 0,
    max: 2 ** 31,
  }),
  seed: integerFlag({
    name: "seed",
    valueName: "number",
    help: "The same seed gives the same prompts and arrivals.",
    byDefault: 1,
    min: 0,
    max: 2 ** 31,
  }),
  roundCount: countFlag("rounds", "Without --target: how often the servers take turns.", 5, 1_000),
  isJson: switchFlag("json", "Print the result as JSON."),
  saves: switchFlag("save", "Without --target: keep the record, and show it in the documentation."),
};

function countFlag(name: string, help: string, byDefault: number, max: number): FlagDeclaration<number> {
  return integerFlag({ name, valueName: "count", help, byDefault, min: 1, max });
}

/** KB and MB are powers of ten, KiB and MiB powers of two, as in everyday and exact use. */
function sizeFlag(name: string, help: string, byDefault: string): FlagDeclaration<number> {
  const read = (texts: readonly string[]): number => {
    const text = texts.at(-1) ?? byDefault;
    const match = /^(\d+)(B|KB|KiB|MB|MiB)?$/.exec(text);
    const size = Number(match?.[1]) * (UNIT_SIZES[match?.[2] ?? "B"] ?? 0);
    if (match !== null && size > 0) return size;
    throw new ConfigError(`"${text}" is not a size like 220KB or 256KiB`);
  };
  return { name, valueName: "size", help, defaultText: byDefault, read };
}

const UNIT_SIZES: Readonly<Record<string, number>> = { B: 1, KB: 1e3, KiB: 1024, MB: 1e6, MiB: 1024 * 1024 };

function fractionFlag(name: string, help: string, byDefault: number): FlagDeclaration<number> {
  const read = (texts: readonly string[]): number => {
    const text = texts.at(-1) ?? String(byDefault);
    const value = Number(text);
    if (text.trim() !== "" && value >= 0 && value <= 1) return value;
    throw new ConfigError(`"${text}" is not a fraction from 0 to 1`);
  };
  return { name, valueName: "fraction", help, defaultText: String(byDefault), read };
}
