import { describe, expect, it } from "vitest";
import {
  headerName,
  positiveDurationMs,
  producerName,
  warnOfDeprecated,
  warnOfIgnored,
} from "../../../src/framework/parameters.ts";

describe("shared parameters", () => {
  it.each([
    { given: "X-Session-ID", expected: "x-session-id" },
    { given: " x-a ", expected: "x-a" },
    { given: "session_id", expected: "session_id" },
  ])("the header $given is read as $expected", ({ given, expected }) => {
    expect(headerName.parse(given)).toBe(expected);
  });

  it.each(["", "  ", "x y", "x:y", ":path", "ü"])("%j is no header", (given) => {
    expect(headerName.safeParse(given).success).toBe(false);
  });

  it.each([
    { given: "200ms", expected: 200 },
    { given: "1m30s", expected: 90_000 },
    { given: "0.5s", expected: 500 },
  ])("$given is $expected ms", ({ given, expected }) => {
    expect(positiveDurationMs.parse(given)).toBe(expected);
  });

  it.each(["", "0s", "-1s", "200", "2 s"])("%j is no duration above 0", (given) => {
    expect(positiveDurationMs.safeParse(given).error?.issues).toMatchObject([{ code: "custom" }]);
  });

  it.each([
    { given: undefined, expected: undefined },
    { given: "", expected: undefined },
    { given: "hashes", expected: "hashes" },
  ])("the producer $given means $expected", ({ given, expected }) => {
    expect(producerName.parse(given)).toBe(expected);
  });
});

describe("warnings of parameters", () => {
  const collect = (): { warnings: string[]; warn: (text: string) => void } => {
    const warnings: string[] = [];
    return { warnings, warn: (text) => warnings.push(text) };
  };

  it("ignored ones are named once, empty ones not", () => {
    const context = collect();
    for (const empty of [undefined, null, {}, []]) warnOfIgnored(empty, context);
    expect(context.warnings).toEqual([]);
    warnOfIgnored({ threshold: 1, other: 2 }, context);
    expect(context.warnings).toEqual(["takes no parameters; those given are ignored"]);
  });

  it("each deprecated one that is given is named with what to write instead", () => {
    const context = collect();
    const parameters: { a?: number; b?: number; c: number } = { b: 0, c: 1 };
    warnOfDeprecated(parameters, { a: "write c", b: "leave it out" }, context);
    expect(context.warnings).toEqual(["parameter b is deprecated: leave it out"]);
  });
});
