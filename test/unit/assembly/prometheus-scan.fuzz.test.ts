/**
 * Compares the exposition scanner with the oracle (`test/support/prometheus-oracle.ts`). Strategy: random expositions
 * out of few, alike names and labels, so that near misses come up all the time; half of them damaged; each cut at
 * random places, several at once in turns. Invariants: what is found is what the oracle finds; it does not depend on
 * the cuts, nor on what else is being scanned. A failure names the seed; MAGPIE_TEST_SEED repeats it.
 */
import { describe, expect, test } from "vitest";
import { Prng, randomSeed } from "../../../src/base/prng.ts";
import { ExpositionScanner } from "../../../src/wasm/exposition-scanner.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { KERNEL_BUILDS } from "../../support/kernel.ts";
import { chooseSample, parseSamples, type Wanted } from "../../support/prometheus-oracle.ts";

const SEED = Number(process.env["MAGPIE_TEST_SEED"] ?? randomSeed());
const TEXTS = 4_000;
const AT_ONCE = 4;

const NAMES = [
  "a",
  "ab",
  "b:a",
  "a_b",
  "vllm:num_requests_waiting",
  "vllm:num_requests_swapped",
  "num_requests_waiting",
];
const LABELS = ["t", "u", "xt", "t_"];
const VALUES = ["", "b", 't="b"', "}", "{", "\\", '"', "\n", "a 1", "\\n", "ü", "日本", "b,c", "\t"];
const NUMBERS = [
  "NaN",
  "+Inf",
  "-Inf",
  "Inf",
  "0",
  "1",
  "2",
  "-1",
  "1e3",
  "1.5e-3",
  "0.1",
  "1.7635427361234567e+09",
  "1e22",
  "1e23",
  "123456789012345678901234567890",
  "0.000000000000000000000000000001234",
  "1e400",
  "1e-400",
  "",
  "x",
  "0x1",
  "1_0",
  ".5",
  "5.",
  ".",
  "-",
  "+",
  "e5",
  "1e",
  "1e+",
  "--1",
  "nan",
  "inf",
  "00012",
  "9007199254740993",
  "4.9e-324",
];
const TIMES = ["", "", "", " 0", " 5", " 5", " -3", " 1700000000000", " x", ' 5 # {a="b"} 1', ' # {a="b"} 1'];
const TYPES = ["gauge", "counter", "histogram", "summary", "untyped", "gaug", "gauges", ""];
const LINE_ENDS = ["\n", "\n", "\n", "\r\n", "\n\n", " \n"];

describe.each(KERNEL_BUILDS)(`exposition scan against its oracle, seed ${SEED}, %s build`, (build) => {
  test(`${TEXTS} random expositions, ${AT_ONCE} at a time in turns`, () => {
    const prng = new Prng(SEED).fork("expositions");
    let done = 0;
    let found = 0;
    let foundByLabels = 0;
    let blocks = 0;
    let scanner = new ExpositionScanner({ windowCount: AT_ONCE, build });
    for (let round = 0; round < TEXTS / AT_ONCE; round++) {
      if (round % 20 === 0) scanner = new ExpositionScanner({ windowCount: AT_ONCE, build });
      const wanted = randomTable(prng);
      const table = scanner.addTable(wanted) ?? 0;
      const scans = Array.from({ length: AT_ONCE }, () => {
        const body = randomBody(prng);
        return { body, window: scanner.begin(round % 20) as number, at: 0 };
      });
      expect(table).toBe(round % 20);
      while (scans.some(({ at, body }) => at < body.length)) {
        for (const scan of scans) {
          const end = Math.min(scan.body.length, scan.at + prng.nextBelow(round % 3 === 0 ? 4 : 120));
          scanner.feed(scan.window, scan.body, scan.at, end);
          scan.at = end;
        }
      }
      for (const { body, window } of scans) {
        scanner.end(window);
        const samples = parseSamples(body.toString("utf8"), layout.EXPOSITION_LINE_SIZE_MAX);
        for (const [number, series] of wanted.entries()) {
          const expected = chooseSample(samples, series);
          const note = `${JSON.stringify(series)} in ${JSON.stringify(body.toString("utf8"))}`;
          expect(scanner.seriesCount(window, number), note).toBe(expected.count);
          expectNear(scanner.value(window, number) ?? Number.NaN, expected.value, note);
          if (series.keepsLabels === true) {
            expect(scanner.labelBlock(window, number)?.toString("utf8"), note).toBe(expected.block);
            if (expected.block !== undefined) blocks++;
          }
          if (!Number.isNaN(expected.value)) found++;
          if (!Number.isNaN(expected.value) && Object.keys(series.labels ?? {}).length > 0) foundByLabels++;
        }
        scanner.release(window);
        done++;
      }
    }
    expect(done).toBe(TEXTS);
    expect(found).toBeGreaterThan(TEXTS / 4);
    expect(foundByLabels).toBeGreaterThan(TEXTS / 100);
    expect(blocks).toBeGreaterThan(TEXTS / 20);
  });
});

/** Equal but for the last bits, which numbers of more than 15 digits may differ in. */
function expectNear(actual: number, expected: number, note: string): void {
  if (Number.isFinite(expected) && expected !== 0) {
    expect(Math.abs(actual - expected), `${note}: ${actual} for ${expected}`).toBeLessThanOrEqual(
      Math.max(Math.abs(expected) * 2 ** -50, Number.MIN_VALUE),
    );
  } else
    expect(actual === expected || (Number.isNaN(actual) && Number.isNaN(expected)), `${note}: ${actual}`).toBe(true);
}

function randomTable(prng: Prng): Wanted[] {
  return Array.from({ length: 1 + prng.nextBelow(6) }, (_, index) => {
    const labels = Object.fromEntries(
      Array.from({ length: prng.nextBelow(3) === 0 ? 1 + prng.nextBelow(2) : 0 }, () => {
        return [pick(prng, LABELS.slice(0, 2)), pick(prng, VALUES.slice(0, prng.nextBelow(3) === 0 ? 6 : 2))];
      }),
    );
    const choice = pick(prng, ["newest", "newest", "greatest", "sum"] as const);
    return {
      name: pick(prng, prng.nextBelow(2) === 0 ? NAMES : NAMES.slice(0, 2)),
      labels,
      choice,
      keepsLabels: choice !== "sum" && index < 2 && prng.nextBelow(3) === 0,
    };
  });
}

function randomBody(prng: Prng): Buffer {
  const lines = Array.from({ length: prng.nextBelow(20) }, () => randomLine(prng) + pick(prng, LINE_ENDS));
  let text = lines.join("");
  if (prng.nextBelow(2) === 0) text = text.trimEnd();
  if (prng.nextBelow(2) === 0) return Buffer.from(text);
  // Damage: a character that matters to the format, put in, put over, or taken out.
  for (let times = 1 + prng.nextBelow(3); times > 0; times--) {
    const at = prng.nextBelow(text.length + 1);
    const removed = prng.nextBelow(3);
    text =
      text.slice(0, at) +
      pick(prng, ["", '"', "{", "}", "\\", ",", "=", " ", "\n", "#", "1"]) +
      text.slice(at + removed);
  }
  return Buffer.from(Buffer.from(text).toString("utf8"));
}

function randomLine(prng: Prng): string {
  const name = pick(prng, prng.nextBelow(2) === 0 ? NAMES : NAMES.slice(0, 2));
  const kind = prng.nextBelow(10);
  if (kind < 3) return `# TYPE ${name} ${pick(prng, prng.nextBelow(2) === 0 ? ["gauge"] : TYPES)}`;
  if (kind === 3) return `# HELP ${name} ${pick(prng, NAMES)} 7`;
  const labels = Array.from({ length: prng.nextBelow(4) }, () => {
    const plain = pick(prng, prng.nextBelow(2) === 0 ? VALUES : VALUES.slice(0, 2));
    const value = plain.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
    return `${pick(prng, LABELS)}="${value}"`;
  });
  const block = labels.length > 0 || prng.nextBelow(5) === 0 ? `{${labels.join(",")}}` : "";
  return `${name}${block} ${pick(prng, prng.nextBelow(3) === 0 ? NUMBERS : NUMBERS.slice(4, 8))}${pick(prng, TIMES)}`;
}

function pick<Value>(prng: Prng, values: readonly Value[]): Value {
  return values[prng.nextBelow(values.length)] as Value;
}
