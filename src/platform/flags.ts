/**
 * Command-line flags as tables: one row per flag gives its name, its value's form, its default and its help. Parsing,
 * `--help`, the errors and the documentation come from the same table. Kinds of rows: flag-kinds.ts.
 *
 * The command line is read as Go's pflag reads it, since manifests were written for that: kebab or camel case, one dash
 * or two, `--flag value` or `--flag=value`, switches without a value, the last of two, empty arguments passed over.
 */
import { ConfigError } from "../base/errors.ts";
import { nearestName } from "../base/nearest.ts";

export interface FlagDeclaration<Value> {
  /** Kebab case, without dashes. */
  readonly name: string;
  /** Shown in `--help` behind the name, like `port`; empty for a switch, which needs no value. */
  readonly valueName: string;
  readonly help: string;
  readonly defaultText: string;
  /**
   * The value of a flag's texts, in the order given; of none when the flag is absent. A switch without a value has the
   * text "true". Throws a ConfigError that says what would be right.
   */
  readonly read: (texts: readonly string[]) => Value;
}

export type FlagTable = Readonly<Record<string, FlagDeclaration<unknown>>>;

/** The rows that give these values. */
export type FlagTableOf<Values> = { readonly [Key in keyof Values]: FlagDeclaration<Values[Key]> };

export type FlagValues<Table extends FlagTable> = {
  readonly [Key in keyof Table]: Table[Key] extends FlagDeclaration<infer Value> ? Value : never;
};

/** What `--help` and the documentation show together. */
export interface FlagGroup {
  readonly title: string;
  readonly flags: FlagTable;
}

export interface ReadFlags<Table extends FlagTable> {
  readonly values: FlagValues<Table>;
  /** Names of the flags that stood on the command line. */
  readonly given: ReadonlySet<string>;
}

/** The flags' values; `undefined` when help was asked for. Throws a ConfigError for what cannot be used. */
export function parseFlags<Table extends FlagTable>(
  table: Table,
  args: readonly string[],
): FlagValues<Table> | undefined {
  return readFlags(table, args)?.values;
}

/** As `parseFlags`, and which flags were given. */
export function readFlags<Table extends FlagTable>(
  table: Table,
  args: readonly string[],
): ReadFlags<Table> | undefined {
  if (args.some((arg) => HELP.test(arg))) return undefined;
  const given = readTexts(Object.values(table), args);
  const values = Object.entries(table).map(([key, flag]) => [key, readValue(flag, given.get(flag.name) ?? [])]);
  return { values: Object.fromEntries(values) as FlagValues<Table>, given: new Set(given.keys()) };
}

const HELP = /^(?:--?help|-h)$/;

function readValue<Value>(flag: FlagDeclaration<Value>, texts: readonly string[]): Value {
  try {
    return flag.read(texts);
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(`--${flag.name}: ${error.message}`, { cause: error.cause });
    throw error;
  }
}

/** Each given flag's texts, by its name. */
function readTexts(flags: readonly FlagDeclaration<unknown>[], args: readonly string[]): Map<string, string[]> {
  const given = new Map<string, string[]>();
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? "";
    // Templates leave empty arguments where they have nothing to say.
    if (arg === "") continue;
    const { flag, text } = findFlag(flags, arg);
    let value = text;
    if (value === undefined && flag.valueName === "") value = "true";
    if (value === undefined) {
      value = args[++index];
      if (value === undefined || isFlag(flags, value)) {
        throw new ConfigError(`--${flag.name} needs a value: --${flag.name}=<${flag.valueName}>`);
      }
    }
    given.set(flag.name, [...(given.get(flag.name) ?? []), value]);
  }
  return given;
}

/** The flag that an argument names, and the value that stands in it. */
function findFlag(
  flags: readonly FlagDeclaration<unknown>[],
  arg: string,
): { flag: FlagDeclaration<unknown>; text: string | undefined } {
  const match = /^--?([A-Za-z][^=\s]*)(?:=(.*))?$/s.exec(arg);
  if (match === null) {
    const advice = /^(?:true|false)$/i.test(arg) ? `; a switch is given its value by =, like --flag=${arg}` : "";
    throw new ConfigError(`"${arg}" is not a flag${advice}; --help shows all flags`);
  }
  const [, typed = "", text] = match;
  const name = kebabCase(typed);
  const flag = flags.find((candidate) => candidate.name === name);
  if (flag !== undefined) return { flag, text };
  // A letter with its value behind it, like -v4.
  const letter = /^-[A-Za-z]\d/.test(arg) ? flags.find((candidate) => candidate.name === typed[0]) : undefined;
  if (letter !== undefined) return { flag: letter, text: arg.slice(2) };
  const names = flags.map((candidate) => candidate.name);
  const nearest = nearestName(name, names);
  const advice = nearest === undefined ? "--help shows all flags" : `did you mean --${nearest}?`;
  throw new ConfigError(`there is no flag --${typed}; ${advice}`);
}

/** Whether an argument is one of the flags, and so hardly another flag's value. */
function isFlag(flags: readonly FlagDeclaration<unknown>[], arg: string): boolean {
  const [, typed = ""] = /^--?([A-Za-z][^=\s]*)/.exec(arg) ?? [];
  return typed !== "" && flags.some(({ name }) => name === kebabCase(typed));
}

function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter, offset: number) => `${offset === 0 ? "" : "-"}${letter.toLowerCase()}`);
}

/** Columns of a terminal, and where the texts begin. */
const HELP_WIDTH = 110;
const HELP_TEXT_COLUMN = 38;

/** The text of `--help`. */
export function formatHelp(options: {
  readonly usage: string;
  readonly about: string;
  readonly groups: readonly FlagGroup[];
}): string {
  const groups = options.groups.map(
    ({ title, flags }) => `${title}:\n${Object.values(flags).flatMap(helpLines).join("\n")}\n`,
  );
  return `Usage: ${options.usage}\n\n${options.about}\n\n${groups.join("\n")}`;
}

/** The flag on the left and its text on the right; under the flag where that is too long. */
function helpLines({ name, valueName, help, defaultText }: FlagDeclaration<unknown>): string[] {
  const value = valueName === "" ? "" : ` <${valueName}>`;
  const left = `  ${name.length === 1 ? "-" : "--"}${name}${value}`;
  const text = defaultText === "none" ? help : `${help} Default: ${defaultText}.`;
  const [first = "", ...rest] = wrap(text, HELP_WIDTH - HELP_TEXT_COLUMN);
  const margin = " ".repeat(HELP_TEXT_COLUMN);
  const below = rest.map((line) => margin + line);
  if (left.length > HELP_TEXT_COLUMN - 2) return [left, margin + first, ...below];
  return [left.padEnd(HELP_TEXT_COLUMN) + first, ...below];
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
