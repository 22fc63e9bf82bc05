import { expect, it } from "vitest";
import { targetTable } from "../../../scripts/tables/targets.ts";

const span = (median: number) => ({ median, min: median, max: median });

const LOAD = {
  measures: [
    {
      label: "CPU per exchange",
      unit: "µs",
      target: { ratioMax: 1.25 },
      figures: [span(100), span(50)],
      ratios: [span(1), span(0.5)],
    },
    { label: "rate", unit: "/s", target: { min: 500 }, figures: [span(700), undefined], ratios: [span(1), undefined] },
  ],
};

const DAY = {
  about: "10000000 exchanges in 700 s",
  rows: [
    { label: "heap", figures: {}, target: { text: "does not grow", met: false } },
    { label: "threads", figures: {}, target: { text: "does not grow", met: true } },
  ],
};

it("there is a column per version of Node, and a dash for what was not measured on it", () => {
  const records = new Map([
    ["load", [{ major: 20, record: LOAD }]],
    ["scrape-load", [{ major: 24, record: { cases: [{ label: "busy, every 50 ms", cores: 0.0812 }] } }]],
  ]);
  expect(targetTable(records).split("\n")).toEqual([
    "|  | target | Node 20 | Node 24 |",
    "|---|---|---|---|",
    "| CPU per exchange | ≤ 1.25 × a bare gRPC server | 0.50 × (50 µs) | – |",
    "| rate | ≥ 500/s | – | – |",
    "| cores for watching 100 endpoints of 60 KB every 50 ms | ≤ 0.25 | – | 0.081 |",
    "| the same with back-off and no traffic | ≤ 0.03 | – | – |",
  ]);
});

it("a day names what grows", () => {
  const records = new Map([["day", [{ major: 24, record: DAY }]]]);
  expect(targetTable(records)).toContain("| nothing | heap (10 million) |");
});

it("without records the table says so", () => {
  expect(targetTable(new Map())).toBe("No records yet.");
});
