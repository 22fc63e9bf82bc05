import { expect, it } from "vitest";
import { formatLoadRecord } from "../../../../bench/load/load-table.ts";
import type { LoadRecord } from "../../../../bench/load/matrix.ts";

const span = (median: number) => ({ median, min: median / 2, max: median * 2 });

const RECORD: LoadRecord = {
  name: "load",
  machine: "a machine",
  node: "v20.0.0",
  commit: "abc",
  date: "2026-11-20",
  seed: 1,
  roundCount: 3,
  durationMs: 2_000,
  isPinned: true,
  servers: [
    { name: "bare server", memoryBytesMax: 1e8 },
    { name: "picker", memoryBytesMax: 2e8 },
    { name: "another", memoryBytesMax: 3e8 },
  ],
  measures: [
    {
      label: "CPU",
      unit: "µs",
      target: { ratioMax: 1.25 },
      figures: [span(80), span(120), span(40)],
      ratios: [span(1), span(1.5), span(0.5)],
    },
    {
      label: "rate",
      unit: "/s",
      target: { min: 500 },
      figures: [span(700), span(600), undefined],
      ratios: [span(1), span(0.9), undefined],
    },
  ],
  errorCount: 0,
  generatorLimits: ["round 1: it was late"],
  generatorCpuPerExchangeUs: 12,
  h2load: "Checked.",
};

it("a row shows each server's median, and its ratio to the first one with the span", () => {
  expect(formatLoadRecord(RECORD)).toContain(
    "| CPU | 80.0 µs | 120 µs: 1.50 × (0.75 … 3.00) | 40.0 µs: 0.50 × (0.25 … 1.00) | ≤ 1.25 ×: missed |",
  );
});

it("a target may be a figure that is to be reached", () => {
  expect(formatLoadRecord(RECORD)).toContain("| ≥ 500/s: met |");
});

it("no figure is shown where the generator was the limit, and it is said", () => {
  const text = formatLoadRecord(RECORD);
  expect(text).toMatch(/^\| rate \|.*\| – \|.*\|$/m);
  expect(text).toContain("the generator was the limit: round 1: it was late");
});
