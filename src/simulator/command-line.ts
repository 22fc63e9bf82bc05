/**
 * The flags of the simulator program. Each is a setting of `options.ts`, in kebab case; `--help` is made from the same
 * table.
 */
import { parseArgs } from "node:util";
import { SIMULATOR_DEFAULTS } from "./defaults.ts";
import type { SimulatorOptions } from "./options.ts";

export type Command =
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "run"; readonly count: number; readonly options: SimulatorOptions };

const TEXT_SETTINGS = {
  name: "servers are called <name>-0, <name>-1, …; a lone one <name>",
  host: "address to listen on",
  model: "base model",
} as const;

const NUMBER_SETTINGS = {
  port: "port of the first server, the others follow; 0 takes free ones",
  seed: "the same seed gives the same replies",
  runningRequestsMax: "requests that run at the same time",
  runningAdaptersMax: "LoRA adapters that run at the same time",
  contextTokensMax: "tokens of prompt and reply together",
  kvCacheBlocks: "KV cache capacity in blocks",
  blockSizeTokens: "tokens per block",
  prefillOverheadMs: "time to first token, part that is always there",
  prefillTokenMs: "time to first token, per prompt token that is not cached",
  interTokenMs: "time between two tokens",
  loadFactorMax: "times are multiplied by up to this under full load",
  replyTokensMin: "shortest drawn reply",
  replyTokensMax: "longest drawn reply",
  replyTokensCutoff: "limit for requests that name none",
  expositionSizeMin: "pad /metrics to this many bytes",
} as const;

const COUNT_MAX = 1000;

/** Throws an `Error` whose message names the flag at fault. */
export function parseCommandLine(args: readonly string[]): Command {
  const flags = [...Object.keys(TEXT_SETTINGS), ...Object.keys(NUMBER_SETTINGS), "adapters", "count"].map(kebabCase);
  const stringFlags = Object.fromEntries(flags.map((flag) => [flag, { type: "string" } as const]));
  const { values } = parseArgs({
    args: [...args],
    options: { ...stringFlags, help: { type: "boolean", short: "h" } },
  });
  if (values["help"] === true) return { kind: "help", text: describeFlags() };

  const given = values as Readonly<Record<string, string | undefined>>;
  const texts = settingsFrom(given, Object.keys(TEXT_SETTINGS), (_flag, text) => text);
  const numbers = settingsFrom(given, Object.keys(NUMBER_SETTINGS), readNumber);
  const { adapters } = settingsFrom(given, ["adapters"], (_flag, text) => text.split(","));
  const options: SimulatorOptions = { ...texts, ...numbers, ...(adapters === undefined ? {} : { adapters }) };
  return { kind: "run", count: readCount(given["count"] ?? "1"), options };
}

function settingsFrom<Value>(
  given: Readonly<Record<string, string | undefined>>,
  settings: readonly string[],
  read: (flag: string, text: string) => Value,
): Record<string, Value> {
  const found: Record<string, Value> = {};
  for (const setting of settings) {
    const flag = kebabCase(setting);
    const text = given[flag];
    if (text !== undefined) found[setting] = read(flag, text);
  }
  return found;
}

function readNumber(flag: string, text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) throw new Error(`--${flag}: "${text}" is not a number`);
  return number;
}

function readCount(text: string): number {
  const count = readNumber("count", text);
  if (!Number.isInteger(count) || count < 1 || count > COUNT_MAX) {
    throw new Error(`--count: ${count} is not a whole number in 1 … ${COUNT_MAX}`);
  }
  return count;
}

function describeFlags(): string {
  const settings = { ...TEXT_SETTINGS, ...NUMBER_SETTINGS };
  const rows = Object.entries(settings).map(([setting, meaning]) => {
    const value = SIMULATOR_DEFAULTS[setting as keyof typeof settings];
    return row(kebabCase(setting), `${meaning} (${value})`);
  });
  return [
    "Model servers that cost nothing, behaving towards a router as vLLM does.",
    "",
    row("count", "servers to start (1)"),
    ...rows,
    row("adapters", "LoRA adapters, separated by commas (none)"),
    row("help", "this text"),
  ].join("\n");
}

function row(flag: string, meaning: string): string {
  return `  --${flag.padEnd(24)}${meaning}`;
}

function kebabCase(setting: string): string {
  return setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
