/**
 * The benches of memory, a day, latency and fairness as programs, in small sizes: they run to their end and find what
 * is there. Nothing is measured here.
 */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Report } from "../../bench/report.ts";
import { endPrograms, runProgram } from "../support/programs.ts";

afterEach(endPrograms);

/** Each starts several processes, which on a busy machine take their time. */
vi.setConfig({ testTimeout: 120_000 });

async function report(name: string, args: readonly string[]): Promise<Report> {
  const program = runProgram(`../bench/${name}/main.js`, [...args, "--endpoints", "2", "--json"]);
  expect(await program.ended, program.errors.join("\n")).toBe(0);
  const record = JSON.parse(program.output.join("\n")) as Report;
  expect(record).toMatchObject({ name, seed: 1, node: process.version });
  return record;
}

function figure(record: Report, label: string, name: string): number {
  const row = record.rows.find((one) => one.label === label);
  return row?.figures[name] ?? Number.NaN;
}

it("memory: bodies that are held are in the picker's memory, and the second wave finds the room of the first", async () => {
  const sizes = ["--streams", "40", "--body-size", "400000", "--settle", "300"];
  const record = await report("memory", sizes);
  expect(record.rows.map(({ label }) => label)).toEqual([
    "picker, wave 1",
    "picker, wave 2",
    "bare server, wave 1",
    "bare server, wave 2",
  ]);
  const of = (name: string): number => figure(record, "picker, wave 1", name);
  // 16 MB of bodies, of which the last 7 % are not sent.
  expect(of("held (MB)") - of("before (MB)")).toBeGreaterThan(12);
  expect(of("peak (MB)")).toBeGreaterThanOrEqual(of("held (MB)") - 1);
});

it("a day: every kind of exchange comes to its end, nothing fails and nothing is left in flight", async () => {
  const sizes = ["--exchanges", "1500", "--samples", "30", "--variations", "200", "--concurrency", "16"];
  const record = await report("day", sizes);
  expect(record.notes, record.notes.join("\n")).toContain("Exchanges that failed: none.");
  expect(record.notes).toContain("In flight after the last one: 0 streams, 0 requests.");
  expect(Number(/^\d+/.exec(record.about)?.[0])).toBeGreaterThanOrEqual(1_500);
  for (const { label, figures } of record.rows) expect(figures["last tenth"], label).toBeGreaterThan(0);
});

const RATE = "offered (/s)";

it("latency: both servers are driven at half of what each can do, as far as they can bear it", async () => {
  const record = await report("latency", ["--rounds", "1", "--duration", "300ms", "--warm-up", "50ms"]);
  const rateOf = (server: string): number => figure(record, `half of what the ${server} can do: ${server}`, RATE);
  expect(rateOf("bare server")).toBeGreaterThan(0);
  expect(rateOf("picker")).toBeGreaterThan(0);
  expect([...new Set(record.rows.map(({ figures }) => figures[RATE]))].toSorted()).toEqual(
    [...new Set([rateOf("bare server"), rateOf("picker")])].toSorted(),
  );
  expect(record.notes).toContain("Exchanges that failed: 0.");
});

describe("fairness", () => {
  it("a turn of the server's own work is seen from inside, and picks from outside", async () => {
    const sizes = ["--repeats", "1", "--streams", "40", "--body-size", "400000", "--probes", "100"];
    const record = await report("fairness", sizes);
    expect(record.rows.map(({ label }) => label)).toEqual([
      "bare server, nothing else",
      "bare server, a body of 0.4 MB",
      "bare server, 40 streams at once",
      "picker, nothing else",
      "picker, a body of 0.4 MB",
      "picker, 40 streams at once",
    ]);
    for (const { label, figures } of record.rows) {
      expect(figures["longest pick (ms)"], label).toBeGreaterThan(0);
      expect(figures["own work in it (ms)"], label).toBeGreaterThan(0);
    }
  });
});
