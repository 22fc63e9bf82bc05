/**
 * Reads a whole Prometheus text the obvious way, for tests to compare with: character by character, every line, into
 * plain objects. Malformed lines are left out. What is chosen among samples is written here a second time, from the
 * rules: greatest timestamp, greatest value or sum; the first of equal ones; gauges and counters only.
 */

export interface Sample {
  readonly name: string;
  readonly labels: readonly (readonly [name: string, value: string])[];
  /** The label block as it is written; empty without one. */
  readonly block: string;
  /** As it is written. */
  readonly value: string;
  readonly timestamp: string;
  /** As the last TYPE line of the name before it says. */
  readonly type: string | undefined;
}

const NUMBER = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|Inf|NaN)$/;

/** Every well-formed sample of a text. Lines of more than `lineSizeMax` bytes are left out. */
export function parseSamples(text: string, lineSizeMax: number = Number.POSITIVE_INFINITY): Sample[] {
  const types = new Map<string, string>();
  return text.split("\n").flatMap((written) => {
    if (Buffer.byteLength(written) > lineSizeMax) return [];
    const line = written.replace(/\r$/, "").replace(/^[ \t]+/, "");
    const comment = /^#[ \t]*TYPE[ \t]+([^ \t]*)[ \t]*([^ \t]*)/.exec(line);
    if (comment !== null) types.set(comment[1] ?? "", comment[2] ?? "");
    if (line === "" || line.startsWith("#")) return [];
    const sample = parseSample(line);
    return sample === undefined ? [] : [{ ...sample, type: types.get(sample.name) }];
  });
}

function parseSample(line: string): Omit<Sample, "type"> | undefined {
  let at = 0;
  const until = (ends: string): string => {
    const start = at;
    while (at < line.length && !ends.includes(line[at] as string)) at++;
    return line.slice(start, at);
  };
  const blanks = (): void => {
    while (line[at] === " " || line[at] === "\t") at++;
  };
  const name = until("{ \t");
  if (name === "" || at === line.length) return undefined;
  blanks();
  const blockStart = at;
  const labels: [string, string][] = [];
  if (line[at] === "{") {
    at++;
    blanks();
    while (line[at] !== "}") {
      const label = until(' \t=",}');
      blanks();
      if (label === "" || line[at++] !== "=") return undefined;
      blanks();
      if (line[at++] !== '"') return undefined;
      let value = "";
      while (line[at] !== '"') {
        if (at >= line.length) return undefined;
        if (line[at] === "\\") value += line[++at] === "n" ? "\n" : (line[at] ?? "");
        else value += line[at] as string;
        at++;
      }
      at++;
      labels.push([label, value]);
      blanks();
      if (line[at] === ",") {
        at++;
        blanks();
      } else if (line[at] !== "}") return undefined;
    }
    at++;
  }
  const block = line.slice(blockStart, at);
  blanks();
  const value = until(" \t");
  blanks();
  return { name, labels, block, value, timestamp: until(" \t") };
}

export interface Wanted {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly choice: "newest" | "greatest" | "sum";
  readonly keepsLabels?: boolean;
}

export interface Found {
  readonly count: number;
  /** NaN where there is none. */
  readonly value: number;
  readonly block: string | undefined;
}

/** What a scanner should find. */
export function chooseSample(samples: readonly Sample[], { name, labels = {}, choice, keepsLabels }: Wanted): Found {
  const matching = samples.filter((sample) => {
    const found = new Map(sample.labels);
    const hasLabels = Object.entries(labels).every(([label, value]) => found.get(label) === value);
    return sample.name === name && hasLabels && (keepsLabels === true || isValued(sample));
  });
  let chosen = matching[0];
  for (const sample of matching.slice(1)) {
    const [now, before] = choice === "greatest" ? [valueOf(sample), valueOf(chosen)] : [timeOf(sample), timeOf(chosen)];
    if (now > before || (Number.isNaN(before) && !Number.isNaN(now))) chosen = sample;
  }
  const sum = matching.reduce((total, sample) => total + valueOf(sample), 0);
  return {
    count: matching.length,
    value: choice === "sum" ? (matching.length === 0 ? Number.NaN : sum) : valueOf(chosen),
    block: keepsLabels === true ? chosen?.block : undefined,
  };
}

/** The value of the first sample of that name and with these labels, whatever its type; undefined for none or NaN. */
export function findSample(text: string, name: string, labels: Readonly<Record<string, string>>): number | undefined {
  const found = parseSamples(text).find((sample) => {
    const has = new Map(sample.labels);
    return sample.name === name && Object.entries(labels).every(([label, wanted]) => has.get(label) === wanted);
  });
  const number = valueOf(found);
  return Number.isNaN(number) ? undefined : number;
}

function isValued({ type }: Sample): boolean {
  return type === "gauge" || type === "counter";
}

function valueOf(sample: Sample | undefined): number {
  return sample === undefined ? Number.NaN : readNumber(sample.value);
}

function timeOf({ timestamp }: Sample = { timestamp: "" } as Sample): number {
  const number = readNumber(timestamp);
  return Number.isNaN(number) ? 0 : number;
}

/** As `Number` reads it, of what the format calls a number. */
function readNumber(text: string): number {
  return NUMBER.test(text) ? Number(text.replace(/^\+/, "").replace("Inf", "Infinity")) : Number.NaN;
}
