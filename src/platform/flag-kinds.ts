/**
 * The kinds of flags that tables are made of. Each makes a row of a flag table (flags.ts) from a name, a help text and
 * what the value may be; what a flag's text can do wrong is said here.
 */
import { TIMER_DELAY_MS_MAX } from "../base/clock.ts";
import { formatDuration, parseDuration } from "../base/duration.ts";
import { ConfigError } from "../base/errors.ts";
import { parseQuantity } from "../base/quantity.ts";
import type { FlagDeclaration } from "./flags.ts";

export function textFlag(name: string, valueName: string, help: string, byDefault: string): FlagDeclaration<string> {
  return {
    name,
    valueName,
    help,
    defaultText: byDefault === "" ? "none" : byDefault,
    read: (texts) => texts.at(-1) ?? byDefault,
  };
}

/** A text; undefined when absent or empty. */
export function optionalTextFlag(name: string, valueName: string, help: string): FlagDeclaration<string | undefined> {
  return { name, valueName, help, defaultText: "none", read: (texts) => texts.at(-1) || undefined };
}

/** On or off; takes `=true` and `=false` as Go does. */
export function switchFlag(name: string, help: string, byDefault = false): FlagDeclaration<boolean> {
  return {
    name,
    valueName: "",
    help,
    defaultText: String(byDefault),
    read: (texts) => readSwitch(texts) ?? byDefault,
  };
}

/** A switch of which it matters whether somebody has given it. */
export function optionalSwitchFlag(name: string, help: string): FlagDeclaration<boolean | undefined> {
  return { name, valueName: "", help, defaultText: "none", read: readSwitch };
}

function readSwitch(texts: readonly string[]): boolean | undefined {
  const text = texts.at(-1);
  if (text === undefined) return undefined;
  if (GO_TRUE.test(text)) return true;
  if (GO_FALSE.test(text)) return false;
  throw new ConfigError(`"${text}" is neither true nor false`);
}

/** What Go's `strconv.ParseBool` takes. */
const GO_TRUE = /^(?:1|t|T|true|True|TRUE)$/;
const GO_FALSE = /^(?:0|f|F|false|False|FALSE)$/;

export interface IntegerFlag {
  readonly name: string;
  readonly valueName: string;
  readonly help: string;
  readonly min: number;
  readonly max: number;
}

export function integerFlag(options: IntegerFlag & { readonly byDefault: number }): FlagDeclaration<number> {
  const { name, valueName, help, byDefault } = options;
  const read = (texts: readonly string[]): number => readInteger(texts.at(-1), options) ?? byDefault;
  return { name, valueName, help, defaultText: String(byDefault), read };
}

export function optionalIntegerFlag(options: IntegerFlag): FlagDeclaration<number | undefined> {
  const { name, valueName, help } = options;
  return { name, valueName, help, defaultText: "none", read: (texts) => readInteger(texts.at(-1), options) };
}

function readInteger(
  text: string | undefined,
  { min, max }: { readonly min: number; readonly max: number },
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new ConfigError(`"${text}" is not a whole number from ${min} to ${max}`);
}

export function portFlag(name: string, help: string, byDefault: number): FlagDeclaration<number> {
  return integerFlag({ name, valueName: "port", help: `${help} 0 takes a free one.`, byDefault, min: 0, max: 65_535 });
}

/** Texts separated by commas or given one by one, in their order, each once. */
export function textListFlag(name: string, valueName: string, help: string): FlagDeclaration<readonly string[]> {
  return { name, valueName, help, defaultText: "none", read: (texts) => [...new Set(splitLists(texts))] };
}

/** Texts given one by one, which may contain commas. */
export function repeatedFlag(name: string, valueName: string, help: string): FlagDeclaration<readonly string[]> {
  return { name, valueName, help, defaultText: "none", read: (texts) => texts.filter((text) => text !== "") };
}

/** Whole numbers, separated by commas or given one by one, each once, not more than `countMax`. */
export function integerListFlag(
  options: IntegerFlag & { readonly countMax: number },
): FlagDeclaration<readonly number[]> {
  const { name, valueName, help, countMax } = options;
  const read = (texts: readonly string[]): readonly number[] => {
    const numbers = [...new Set(splitLists(texts).map((text) => readInteger(text, options) ?? 0))];
    if (numbers.length > countMax) throw new ConfigError(`${numbers.length} are more than ${countMax}`);
    return numbers;
  };
  return { name, valueName, help, defaultText: "none", read };
}

function splitLists(texts: readonly string[]): string[] {
  return texts
    .flatMap((text) => text.split(","))
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

/** One of the choices; the first is the default. */
export function choiceFlag<Choice extends string>(
  name: string,
  help: string,
  choices: readonly [Choice, ...Choice[]],
): FlagDeclaration<Choice> {
  const [byDefault] = choices;
  const read = (texts: readonly string[]): Choice => readChoice(texts.at(-1) ?? byDefault, choices);
  return { name, valueName: choices.join("|"), help, defaultText: byDefault, read };
}

export function optionalChoiceFlag<Choice extends string>(
  name: string,
  help: string,
  choices: readonly Choice[],
): FlagDeclaration<Choice | undefined> {
  const read = (texts: readonly string[]): Choice | undefined => {
    const text = texts.at(-1);
    return text === undefined ? undefined : readChoice(text, choices);
  };
  return { name, valueName: choices.join("|"), help, defaultText: "none", read };
}

function readChoice<Choice extends string>(text: string, choices: readonly Choice[]): Choice {
  const choice = choices.find((candidate) => candidate === text);
  if (choice !== undefined) return choice;
  throw new ConfigError(`"${text}" is none of ${choices.join(", ")}`);
}

/** A duration in Go's syntax. The value is in ms, no longer than a timer can be. */
export function durationFlag(options: {
  readonly name: string;
  readonly help: string;
  readonly byDefaultMs: number;
  /** Smaller values are raised to this. */
  readonly minMs: number;
}): FlagDeclaration<number> {
  const { name, help, byDefaultMs, minMs } = options;
  const read = (texts: readonly string[]): number => {
    const text = texts.at(-1);
    if (text === undefined) return byDefaultMs;
    const durationMs = parseDuration(text);
    if (durationMs === undefined || durationMs < 0)
      throw new ConfigError(`"${text}" is not a duration like 50ms, 2s or 1m30s`);
    if (durationMs > TIMER_DELAY_MS_MAX) throw new ConfigError(`"${text}" is longer than 596h, the longest duration`);
    return Math.max(minMs, durationMs);
  };
  return { name, valueName: "duration", help, defaultText: formatDuration(byDefaultMs), read };
}

/** A size in bytes; undefined when absent or empty. */
export function optionalSizeFlag(options: {
  readonly name: string;
  readonly help: string;
  /** What happens without it. */
  readonly defaultText: string;
  readonly min: number;
  readonly max: number;
}): FlagDeclaration<number | undefined> {
  const { name, help, defaultText, min, max } = options;
  const read = (texts: readonly string[]): number | undefined => {
    const text = texts.at(-1);
    if (text === undefined || text === "") return undefined;
    // Kubernetes has no B; people write it.
    const size = parseQuantity(text.replace(/B$/, ""));
    if (size === undefined) throw new ConfigError(`"${text}" is not a size like 6Mi, 16M or 4194304`);
    if (size < min || size > max) throw new ConfigError(`"${text}" is not in ${min} … ${max} bytes`);
    return size;
  };
  return { name, valueName: "size", help, defaultText, read };
}
