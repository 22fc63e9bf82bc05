/**
 * Cases follow the Kubernetes documentation of labels and selectors. The random part draws selectors and labels from a
 * small alphabet, so that they often meet, and holds the matcher against each requirement's definition.
 */
import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { type LabelRequirement, labelMatcher, labelSelector } from "../../../src/framework/label-selector.ts";

const LABELS = { role: "decode", tier: "gold", "example.com/zone": "a", empty: "" };

const matches = (selector: unknown, labels: Readonly<Record<string, string>> = LABELS): boolean =>
  labelMatcher(labelSelector.parse(selector))(labels);

describe("a label selector matches", () => {
  it.each([
    { name: "an empty selector: everything", selector: {}, expected: true },
    { name: "nulls: everything", selector: { matchLabels: null, matchExpressions: null }, expected: true },
    { name: "an equal label", selector: { matchLabels: { role: "decode" } }, expected: true },
    { name: "another value", selector: { matchLabels: { role: "prefill" } }, expected: false },
    { name: "a missing label", selector: { matchLabels: { rank: "1" } }, expected: false },
    { name: "a label with prefix", selector: { matchLabels: { "example.com/zone": "a" } }, expected: true },
    { name: "an empty value", selector: { matchLabels: { empty: "" } }, expected: true },
    { name: "an empty value of a missing label", selector: { matchLabels: { rank: "" } }, expected: false },
    { name: "two labels, one wrong", selector: { matchLabels: { role: "decode", tier: "silver" } }, expected: false },
    {
      name: "In with the value",
      selector: { matchExpressions: [{ key: "tier", operator: "In", values: ["silver", "gold"] }] },
      expected: true,
    },
    {
      name: "In without the value",
      selector: { matchExpressions: [{ key: "tier", operator: "In", values: ["silver"] }] },
      expected: false,
    },
    {
      name: "In of a missing label",
      selector: { matchExpressions: [{ key: "rank", operator: "In", values: [""] }] },
      expected: false,
    },
    {
      name: "NotIn with the value",
      selector: { matchExpressions: [{ key: "tier", operator: "NotIn", values: ["gold"] }] },
      expected: false,
    },
    {
      name: "NotIn without the value",
      selector: { matchExpressions: [{ key: "tier", operator: "NotIn", values: ["silver"] }] },
      expected: true,
    },
    {
      name: "NotIn of a missing label",
      selector: { matchExpressions: [{ key: "rank", operator: "NotIn", values: ["1"] }] },
      expected: true,
    },
    { name: "Exists", selector: { matchExpressions: [{ key: "tier", operator: "Exists" }] }, expected: true },
    { name: "Exists, missing", selector: { matchExpressions: [{ key: "rank", operator: "Exists" }] }, expected: false },
    {
      name: "DoesNotExist",
      selector: { matchExpressions: [{ key: "rank", operator: "DoesNotExist", values: [] }] },
      expected: true,
    },
    {
      name: "DoesNotExist, present",
      selector: { matchExpressions: [{ key: "empty", operator: "DoesNotExist" }] },
      expected: false,
    },
    {
      name: "labels and expressions, both needed",
      selector: {
        matchLabels: { role: "decode" },
        matchExpressions: [{ key: "tier", operator: "NotIn", values: ["gold"] }],
      },
      expected: false,
    },
    {
      name: "a name that every object has",
      selector: { matchExpressions: [{ key: "constructor", operator: "Exists" }] },
      expected: false,
    },
  ])("$name", ({ selector, expected }) => {
    expect(matches(selector)).toBe(expected);
  });

  it("random selectors as their requirements say one by one", () => {
    const seed = 20_261_130;
    const prng = new Prng(seed);
    const keys = ["a", "b", "c"];
    const values = ["", "x", "y"];
    const draw = <Value>(from: readonly Value[]): Value => from[prng.nextBelow(from.length)] as Value;
    let matched = 0;
    for (let round = 0; round < 2_000; round++) {
      const labels = Object.fromEntries(keys.filter(() => prng.nextBelow(2) === 1).map((key) => [key, draw(values)]));
      const requirements = Array.from({ length: prng.nextBelow(4) }, (): LabelRequirement => {
        const operator = draw(["In", "NotIn", "Exists", "DoesNotExist"] as const);
        const takesValues = operator === "In" || operator === "NotIn";
        return { key: draw(keys), operator, values: takesValues ? [draw(values), draw(values)] : [] };
      });
      const expected = requirements.every(({ key, operator, values: list }) => {
        const has = key in labels;
        const isListed = has && (list ?? []).includes(labels[key] ?? "");
        return { In: isListed, NotIn: !isListed, Exists: has, DoesNotExist: !has }[operator];
      });
      const shown = `seed ${seed}, round ${round}`;
      expect(matches({ matchExpressions: requirements }, labels), shown).toBe(expected);
      if (expected) matched++;
    }
    // Both answers occur often enough to mean something.
    expect(matched).toBeGreaterThan(400);
    expect(matched).toBeLessThan(1_600);
  });
});

describe("a label selector is refused", () => {
  const long = (size: number): string => "a".repeat(size);
  it.each([
    { name: "an unknown field", selector: { matchLabel: {} }, at: [] },
    { name: "a name with a space", selector: { matchLabels: { "a b": "x" } }, at: ["matchLabels", "a b"] },
    { name: "a name that ends in a dash", selector: { matchLabels: { "a-": "x" } }, at: ["matchLabels", "a-"] },
    { name: "an empty prefix", selector: { matchLabels: { "/a": "x" } }, at: ["matchLabels", "/a"] },
    { name: "two slashes", selector: { matchLabels: { "a/b/c": "x" } }, at: ["matchLabels", "a/b/c"] },
    { name: "a prefix in capitals", selector: { matchLabels: { "A.com/b": "x" } }, at: ["matchLabels", "A.com/b"] },
    { name: "a name of 64 characters", selector: { matchLabels: { [long(64)]: "x" } }, at: ["matchLabels", long(64)] },
    { name: "a value of 64 characters", selector: { matchLabels: { a: long(64) } }, at: ["matchLabels", "a"] },
    { name: "a value that begins with a dot", selector: { matchLabels: { a: ".x" } }, at: ["matchLabels", "a"] },
    { name: "a number", selector: { matchLabels: { a: 1 } }, at: ["matchLabels", "a"] },
    {
      name: "an unknown operator",
      selector: { matchExpressions: [{ key: "a", operator: "in", values: ["x"] }] },
      at: ["matchExpressions", 0, "operator"],
    },
    {
      name: "In without values",
      selector: { matchExpressions: [{ key: "a", operator: "In", values: [] }] },
      at: ["matchExpressions", 0, "values"],
    },
    {
      name: "NotIn with null",
      selector: { matchExpressions: [{ key: "a", operator: "NotIn", values: null }] },
      at: ["matchExpressions", 0, "values"],
    },
    {
      name: "Exists with values",
      selector: { matchExpressions: [{ key: "a", operator: "Exists", values: ["x"] }] },
      at: ["matchExpressions", 0, "values"],
    },
    {
      name: "an expression without key",
      selector: { matchExpressions: [{ operator: "Exists" }] },
      at: ["matchExpressions", 0, "key"],
    },
  ])("$name", ({ selector, at }) => {
    expect(labelSelector.safeParse(selector).error?.issues).toMatchObject([{ path: at }]);
  });

  it.each([
    { name: "63 characters of name and value", selector: { matchLabels: { [long(63)]: long(63) } } },
    { name: "a prefix of 253 characters", selector: { matchLabels: { [`${long(253)}/a`]: "x" } } },
    { name: "capitals and marks inside", selector: { matchLabels: { "A.b_C-d": "1.2_3-X" } } },
  ])("but not $name", ({ selector }) => {
    expect(labelSelector.safeParse(selector).success).toBe(true);
  });
});
