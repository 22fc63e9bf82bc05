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
  measures: [
    { label: "CPU", unit: "µs", bare: span(80), picker: span(120), ratio: span(1.5) },
    { label: "pick p99", unit: "ms" },
  ],
  errorCount: 0,
  generatorLimits: ["round 1: it was late"],
  generatorCpuPerExchangeUs: 12,
  memoryBytesMax: { bare: 1e8, picker: 2e8 },
  h2load: "Checked.",
};

it("a table shows medians, and ratios with their span", () => {
  expect(formatLoadRecord(RECORD)).toContain("| CPU | 80.0 µs | 120 µs | 1.50 × (0.75 … 3.00) |");
});

it("no figure is shown where the generator was the limit, and it is said", () => {
  const text = formatLoadRecord(RECORD);
  expect(text).toContain("| pick p99 | – | – | – |");
  expect(text).toContain("the generator was the limit: round 1: it was late");
});
