import { expect, it } from "vitest";
import { formatFigure, formatReport, type Report } from "../../../bench/report.ts";

const REPORT: Report = {
  name: "thing",
  machine: "a machine",
  node: "v20.0.0",
  commit: "abc",
  date: "2026-11-20",
  seed: 7,
  about: "two rounds",
  rows: [
    { label: "first", figures: { "a (ms)": 1.234, "b (MB)": 1234.5 }, target: { text: "≤ 2", met: true } },
    { label: "second", figures: { "b (MB)": 9 } },
  ],
  notes: ["A note."],
};

it("a table has a column for every figure of any row, and says whether targets are met", () => {
  expect(formatReport(REPORT).split("\n")).toEqual([
    "**thing**: a machine; Node v20.0.0; commit abc; seed 7; two rounds.",
    "",
    "|  | a (ms) | b (MB) | target |",
    "|---|---|---|---|",
    "| first | 1.23 | 1235 | ≤ 2: met |",
    "| second | – | 9 |  |",
    "",
    "A note.",
  ]);
});

it("without targets and notes there is neither", () => {
  const rows = [{ label: "only", figures: { x: 1 } }];
  expect(
    formatReport({ ...REPORT, rows, notes: [] })
      .split("\n")
      .slice(2),
  ).toEqual(["|  | x |", "|---|---|", "| only | 1 |"]);
});

it.each([
  [0.1234, "0.12"],
  [12.34, "12.3"],
  [123.4, "123"],
  [1500, "1500"],
  [3, "3"],
  [-12.34, "-12.3"],
  [Number.NaN, "–"],
])("%d is shown as %s", (value, text) => {
  expect(formatFigure(value)).toBe(text);
});
