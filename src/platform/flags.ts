/**
 * Command-line flags as tables: one row per flag gives its name, its value's form, its default and its help. Parsing,
 * `--help` and the errors come from the same table.
 */
import { parseArgs } from "node:util";
import { TIMER_DELAY_MS_MAX } from "../base/clock.ts";
import { ConfigError } from "../base/errors.ts";

export interface FlagDeclaration<Value> {
  /** Kebab case, without dashes. */
  readonly name: string;
  /** Shown in `--help` behind the name, like `port`; empty for a switch. */
  readonly valueName: string;
  readonly help: string;
  readonly defaultText: string;
  /**
   * The value of a flag's text, undefined when the flag is absent. Throws a ConfigError that says what would be right.
   */
  readonly read: (text: string | undefined) => Value;
}

export type FlagTable = Readonly<Record<string, FlagDeclaration<unknown>>>;

export type FlagValues<Table extends FlagTable> = {
  readonly [Key in keyof Table]: Table[Key] extends FlagDeclaration<infer Value> ? Value : never;
};

/**
 * The flags' values; `undefined` when help was asked for. Throws a ConfigError for an unknown flag or an unusable
 * value.
 */
export function parseFlags<Table extends FlagTable>(
  table: Table,
  args: readonly string[],
): FlagValues<Table> | undefined {
  const rows = Object.entries(table);
  const options = Object.fromEntries(
    rows.map(([, flag]) => [flag.name, { type: flag.valueName === "" ? ("boolean" as const) : ("string" as const) }]),
  );
  const values = parseKnown(
    args,
    { ...options, help: { type: "boolean" as const } },
    rows.map(([, flag]) => flag.name),
  );
  if (values["help"] === true) return undefined;
  const read = rows.map(([key, flag]) => {
    const value = values[flag.name];
    try {
      return [key, flag.read(value === undefined ? undefined : String(value))];
    } catch (error) {
      if (error instanceof ConfigError) throw new ConfigError(`--${flag.name}: ${error.message}`);
      throw error;
    }
  });
  return Object.fromEntries(read) as FlagValues<Table>;
}

/** What the command line gave: a switch is a boolean, every other flag a text. */
type FlagTexts = Readonly<Record<string, string | boolean | undefined>>;

function parseKnown(
  args: readonly string[],
  options: Readonly<Record<string, { readonly type: "boolean" | "string" }>>,
  names: readonly string[],
): FlagTexts {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false, strict: true }).values;
  } catch (error) {
    // Its first sentence; what follows is advice on other command lines.
    const message = error instanceof Error ? error.message.split(/\.\s/, 1)[0] : String(error);
    throw new ConfigError(`${message}; known flags: ${names.map((name) => `--${name}`).join(", ")}, --help`, {
      cause: error,
    });
  }
}

/** The text of `--help`. */
export function formatHelp(options: {
  readonly usage: string;
  readonly about: string;
  readonly table: FlagTable;
}): string {
  const rows = Object.values(options.table).map((flag) => {
    const left = flag.valueName === "" ? `--${flag.name}` : `--${flag.name} <${flag.valueName}>`;
    return { left, right: `${flag.help} Default: ${flag.defaultText}.` };
  });
  const width = Math.max(...rows.map(({ left }) => left.length));
  const lines = rows.map(({ left, right }) => `  ${left.padEnd(width)}  ${right}`);
  return `Usage: ${options.usage}\n\n${options.about}\n\n${lines.join("\n")}\n`;
}

export function textFlag(name: string, valueName: string, help: string, byDefault: string): FlagDeclaration<string> {
  return {
    name,
    valueName,
    help,
    defaultText: byDefault === "" ? "none" : byDefault,
    read: (text) => text ?? byDefault,
  };
}

export function switchFlag(name: string, help: string): FlagDeclaration<boolean> {
  return { name, valueName: "", help, defaultText: "off", read: (text) => text === "true" };
}

export function integerFlag(options: {
  readonly name: string;
  readonly valueName: string;
  readonly help: string;
  readonly byDefault: number;
  readonly min: number;
  readonly max: number;
}): FlagDeclaration<number> {
  const { name, valueName, help, byDefault, min, max } = options;
  const read = (text: string | undefined): number => {
    if (text === undefined) return byDefault;
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new ConfigError(`"${text}" is not a whole number from ${min} to ${max}`);
  };
  return { name, valueName, help, defaultText: String(byDefault), read };
}

export function portFlag(name: string, help: string, byDefault: number): FlagDeclaration<number> {
  return integerFlag({ name, valueName: "port", help: `${help} 0 takes a free one.`, byDefault, min: 0, max: 65_535 });
}

/** Choices in an order, separated by commas. One that is named twice counts once. */
export function listFlag<Choice extends string>(
  name: string,
  help: string,
  choices: readonly Choice[],
  byDefault: readonly Choice[],
): FlagDeclaration<readonly Choice[]> {
  const read = (text: string | undefined): readonly Choice[] => {
    if (text === undefined) return byDefault;
    const chosen = text.split(",").map((item) => {
      const choice = choices.find((candidate) => candidate === item.trim());
      if (choice !== undefined) return choice;
      throw new ConfigError(`"${item.trim()}" is none of ${choices.join(", ")}`);
    });
    return [...new Set(chosen)];
  };
  return {
    name,
    valueName: "list",
    help: `${help} Any of ${choices.join(", ")}.`,
    defaultText: byDefault.join(","),
    read,
  };
}

export function choiceFlag<Choice extends string>(
  name: string,
  help: string,
  choices: readonly [Choice, ...Choice[]],
): FlagDeclaration<Choice> {
  const [byDefault] = choices;
  const read = (text: string | undefined): Choice => {
    const choice = choices.find((candidate) => candidate === (text ?? byDefault));
    if (choice !== undefined) return choice;
    throw new ConfigError(`"${text}" is none of ${choices.join(", ")}`);
  };
  return { name, valueName: choices.join("|"), help, defaultText: byDefault, read };
}

/**
 * A duration as Go writes it: a number and ms, s, m or h; `1m30s` too. The value is in ms, no longer than a timer can
 * be.
 */
export function durationFlag(options: {
  readonly name: string;
  readonly help: string;
  readonly byDefaultMs: number;
  /** Smaller values are raised to this. */
  readonly minMs: number;
}): FlagDeclaration<number> {
  const { name, help, byDefaultMs, minMs } = options;
  const read = (text: string | undefined): number => {
    if (text === undefined) return byDefaultMs;
    const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
    if (text !== "0" && (text === "" || parts.map(([part]) => part).join("") !== text)) {
      throw new ConfigError(`"${text}" is not a duration like 50ms, 2s or 1m30s`);
    }
    const totalMs = parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNIT_MS[unit ?? ""] ?? 0), 0);
    if (totalMs > TIMER_DELAY_MS_MAX) throw new ConfigError(`"${text}" is longer than 596h, the longest duration`);
    return Math.max(minMs, totalMs);
  };
  return { name, valueName: "duration", help, defaultText: `${byDefaultMs}ms`, read };
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
