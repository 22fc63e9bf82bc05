import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ConfigError } from "../../../src/base/errors.ts";
import { readLocatedDocument } from "../../../src/config/located-document.ts";

const schema = z.object(
  {
    name: z.string("must be a text"),
    limits: z.record(z.string(), z.number("must be a number")).default({}),
    steps: z.array(z.object({ at: z.int("must be a whole number") })).default([]),
  },
  "must be a document with a name",
);

/** The lines of the ConfigError that reading the text throws. */
function faultsOf(text: string): string[] {
  try {
    readLocatedDocument(text, "some/file.yaml", schema);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message.split("\n");
  }
  throw new Error("the text was accepted");
}

describe("located document", () => {
  it.each([
    { name: "YAML blocks", text: "name: a\nlimits:\n  x: 1\nsteps:\n- at: 2\n" },
    { name: "YAML flow", text: "{name: a, limits: {x: 1}, steps: [{at: 2}]}" },
    { name: "JSON", text: '{"name": "a", "limits": {"x": 1}, "steps": [{"at": 2}]}' },
    {
      name: "JSON over several lines, with tabs",
      text: '{\n\t"name": "a",\n\t"limits": {"x": 1},\n\t"steps": [{"at": 2}]\n}\n',
    },
    { name: "an alias", text: "name: a\nlimits: {x: &one 1}\nsteps: [{at: 2}]\nunused: *one\n" },
    {
      name: "a byte order mark and comments",
      text: "\uFEFF# first\nname: a # here\nlimits: {x: 1}\nsteps: [{at: 2}]\n",
    },
    { name: "carriage returns", text: "name: a\r\nlimits: {x: 1}\r\nsteps: [{at: 2}]\r\n" },
  ])("reads $name", ({ text }) => {
    expect(readLocatedDocument(text, "f", schema)).toEqual({ name: "a", limits: { x: 1 }, steps: [{ at: 2 }] });
  });

  // Lines and columns count from 1; a fault stands where the deepest existing part of its path begins.
  it.each([
    {
      name: "a value of the wrong type",
      text: "name: a\nlimits:\n  x: many\n",
      faults: ['some/file.yaml:3:6: limits.x: must be a number (it is "many")'],
    },
    {
      name: "an entry of a list",
      text: "name: a\nsteps:\n- at: 1\n- at: 1.5\n",
      faults: ["some/file.yaml:4:7: steps[1].at: must be a whole number (it is 1.5)"],
    },
    {
      name: "a missing field, at the object that lacks it",
      text: "name: a\nsteps: [{at: 1}, {}]\n",
      faults: ["some/file.yaml:2:18: steps[1].at: must be a whole number"],
    },
    {
      name: "a missing field of the document",
      text: "# nothing but\nlimits: {}\n",
      faults: ["some/file.yaml:2:1: name: must be a text"],
    },
    { name: "null", text: "name:\n", faults: ["some/file.yaml:1:6: name: must be a text (it is null)"] },
    {
      name: "a number that JSON does not have",
      text: "name: a\nlimits: {x: .nan}",
      faults: ["some/file.yaml:2:13: limits.x: must be a number (it is NaN)"],
    },
    {
      name: "a whole object, which is not repeated",
      text: "name: {a: 1}",
      faults: ["some/file.yaml:1:7: name: must be a text"],
    },
    {
      name: "an empty file",
      text: "",
      faults: ["some/file.yaml:1:1: document: must be a document with a name (it is null)"],
    },
    {
      name: "a lone text",
      text: "\n  hello\n",
      faults: ['some/file.yaml:2:3: document: must be a document with a name (it is "hello")'],
    },
    {
      name: "JSON, with the same places",
      text: '{\n  "name": 7\n}',
      faults: ["some/file.yaml:2:11: name: must be a text (it is 7)"],
    },
    {
      name: "several faults, each in a line",
      text: "name: 1\nlimits: {x: a}\n",
      faults: [
        "some/file.yaml:1:7: name: must be a text (it is 1)",
        'some/file.yaml:2:13: limits.x: must be a number (it is "a")',
      ],
    },
  ])("says where it is: $name", ({ text, faults }) => {
    expect(faultsOf(text)).toEqual(faults);
  });

  it.each([
    { name: "a bracket that is not closed", text: "name: [a", at: "1:9" },
    { name: "a tab as indentation", text: "limits:\n\tx: 1", at: "2:1" },
    { name: "a key that is there twice", text: "name: a\nname: b", at: "2:1" },
    { name: "two documents", text: "name: a\n---\nname: b", at: "2:1" },
    { name: "an alias that leads nowhere", text: "name: a\nlimits: {x: *none}", at: "2:13" },
    { name: "JSON with a missing comma", text: '{"name": "a"\n "limits": {}}', at: "2:2" },
  ])("text that cannot be read: $name", ({ text, at }) => {
    const [first] = faultsOf(text);
    expect(first).toMatch(new RegExp(`^some/file\\.yaml:${at}: not readable as YAML or JSON: .+`));
  });

  it("aliases that multiply beyond reason are a fault, not a hang", () => {
    const levels = ["a", "b", "c", "d", "e", "f", "g"];
    const text = levels
      .map(
        (level, index) =>
          `${level}: &${level} [${new Array(9).fill(index === 0 ? "x" : `*${levels[index - 1]}`).join()}]`,
      )
      .join("\n");
    expect(faultsOf(text)[0]).toMatch(/not readable as YAML or JSON: .*alias/i);
  });

  it("lists ten faults and counts the rest", () => {
    const limits = Array.from({ length: 14 }, (_, index) => `  x${index}: bad\n`).join("");
    const faults = faultsOf(`name: a\nlimits:\n${limits}`);
    expect(faults).toHaveLength(11);
    expect(faults[9]).toContain("limits.x9");
    expect(faults[10]).toBe("… and 4 more");
  });

  it("shows the beginning of a long value only", () => {
    const [fault] = faultsOf(`name: a\nlimits: {x: ${"v".repeat(5_000)}}`);
    expect(fault).toBe(`some/file.yaml:2:13: limits.x: must be a number (it is "${"v".repeat(99)}…)`);
  });
});
