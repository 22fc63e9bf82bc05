import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseLabelBlock } from "../../../src/wire/prometheus-text.ts";

describe("a label block", () => {
  it.each([
    { name: "no labels", block: "{}", labels: {} },
    { name: "nothing", block: "", labels: {} },
    { name: "several", block: '{a="1",b="x y"}', labels: { a: "1", b: "x y" } },
    { name: "a comma at the end, and blanks", block: '{ a = "1" , }', labels: { a: "1" } },
    { name: "a comma and a brace within a value", block: '{a="1,2}",b=""}', labels: { a: "1,2}", b: "" } },
    { name: "escapes", block: '{a="q\\"b\\\\n\\nz"}', labels: { a: 'q"b\\n\nz' } },
    { name: "a label within a value", block: '{a="b=\\"2\\"",b="3"}', labels: { a: 'b="2"', b: "3" } },
    { name: "the same label twice", block: '{a="1",a="2"}', labels: { a: "2" } },
  ])("$name", ({ block, labels }) => {
    expect(Object.fromEntries(parseLabelBlock(block))).toEqual(labels);
  });

  it("gives back what was written into it, 500 times", () => {
    const written = fc.dictionary(fc.stringMatching(/^[a-z_][a-z0-9_]{0,5}$/), fc.string({ unit: "binary" }));
    let runs = 0;
    fc.assert(
      fc.property(written, (labels) => {
        const escape = (text: string): string =>
          text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
        const block = Object.entries(labels).map(([label, value]) => `${label}="${escape(value)}"`);
        expect(Object.fromEntries(parseLabelBlock(`{${block.join(",")}}`))).toEqual({ ...labels });
        runs++;
      }),
      { numRuns: 500, seed: 20_261_120 },
    );
    expect(runs).toBe(500);
  });
});
