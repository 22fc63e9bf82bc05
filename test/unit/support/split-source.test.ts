import { describe, expect, it } from "vitest";
import { splitSource } from "../../support/tidy/split-source.ts";

/** Runs of blanks are shown as one. */
const CASES: readonly { text: string; code: string; comments: string }[] = [
  { text: "a; // b", code: "a;", comments: "// b" },
  { text: "a /* b */ c", code: "a c", comments: "/* b */" },
  { text: 'f("// no", 1)', code: 'f(" ", 1)', comments: "" },
  { text: "'it\\'s' // c", code: "' '", comments: "// c" },
  { text: "`x${a + `y${b}`}z` + c; // d", code: "` {a + ` {b}`} ` + c;", comments: "// d" },
  { text: "if (x) { `a${{ a: 1 }.a}b` }", code: "if (x) { ` {{ a: 1 }.a} ` }", comments: "" },
  { text: "x = /[\"'/]/g.test(y) / 2 // e", code: "x = / g.test(y) / 2", comments: "// e" },
  { text: "return /`/; // f", code: "return / /;", comments: "// f" },
  { text: "a = b / c; d = e / f // g", code: "a = b / c; d = e / f", comments: "// g" },
];

describe("splitSource", () => {
  it.each(CASES)("takes apart $text", ({ text, code, comments }) => {
    const split = splitSource(text);
    expect({ code: shown(split.code), comments: shown(split.comments) }).toEqual({ code, comments });
  });

  it.each(CASES)("keeps every line and column of $text", ({ text }) => {
    const { code, codeAndStrings, comments } = splitSource(`${text}\n/* over\n lines */`);
    for (const view of [code, codeAndStrings, comments]) {
      expect(view.split("\n").map((line) => line.length)).toEqual([text.length, 7, 9]);
    }
  });
});

function shown(view: string): string {
  return view.replace(/\s+/g, " ").trim();
}
