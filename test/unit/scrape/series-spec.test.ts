import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/base/errors.ts";
import { formatSeriesSpec, parseSeriesSpec } from "../../../src/scrape/series-spec.ts";
import { layout } from "../../../src/wasm/layout.ts";

describe("the notation of a series", () => {
  it.each([
    { text: "vllm:num_requests_waiting", series: { name: "vllm:num_requests_waiting" } },
    { text: "  up ", series: { name: "up" } },
    { text: "up{}", series: { name: "up" } },
    { text: "up{type=waiting}", series: { name: "up", labels: { type: "waiting" } } },
    { text: 'up{type="waiting"}', series: { name: "up", labels: { type: "waiting" } } },
    { text: " up { a = 1 , b = two words , } ", series: { name: "up", labels: { a: "1", b: "two words" } } },
    { text: "up{a=}", series: { name: "up", labels: { a: "" } } },
    { text: "up{a=b=c}", series: { name: "up", labels: { a: "b=c" } } },
    { text: 'up{a="x,y}",b="q\\"\\\\\\n"}', series: { name: "up", labels: { a: "x,y}", b: 'q"\\\n' } } },
  ])("takes $text", ({ text, series }) => {
    expect(parseSeriesSpec(text)).toEqual(series);
    expect(parseSeriesSpec(formatSeriesSpec(series))).toEqual(series);
  });

  const tooMany = Array.from({ length: layout.EXPOSITION_LABELS_MAX + 1 }, (_, index) => `l${index}=1`).join(",");
  it.each([
    { text: "", fault: "the name is missing" },
    { text: "{a=b}", fault: "the name is missing" },
    { text: "num requests", fault: '"num requests" is no metric name' },
    { text: "1up", fault: '"1up" is no metric name' },
    { text: "up{a=b", fault: "the closing brace is missing" },
    { text: "up{a=b}x", fault: "the closing brace is missing" },
    { text: "up{a}", fault: '"a" has no "="' },
    { text: "up{,a=b}", fault: '"" has no "="' },
    { text: "up{a-b=c}", fault: '"a-b" is no label name' },
    { text: "up{=c}", fault: '"" is no label name' },
    { text: "up{a=1,a=2}", fault: "the label a comes twice" },
    { text: 'up{a="b}', fault: "the value of a has quotes that do not match" },
    { text: 'up{a=b"}', fault: "the value of a has quotes that do not match" },
    { text: "up{a=b}}", fault: "the value of a has quotes that do not match, or a brace without them" },
    { text: `up{a=${"x".repeat(513)}}`, fault: "the value of a is longer than 512 characters" },
    { text: `up{${tooMany}}`, fault: "it has 33 labels; 32 are possible" },
  ])("refuses $text", ({ text, fault }) => {
    expect(() => parseSeriesSpec(text)).toThrow(ConfigError);
    expect(() => parseSeriesSpec(text)).toThrow(`"${text}" is no series: ${fault}`);
  });
});
