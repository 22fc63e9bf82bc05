/** Attribute columns and label masks: what is written is what filters and scorers see. */
import { describe, expect, it } from "vitest";
import { AttributeColumns } from "../../../src/wasm/attribute-columns.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { FILTER_OPS, SCORER_OPS } from "../../../src/wasm/policies.ts";
import { PolicyMasks } from "../../../src/wasm/policy-masks.ts";
import { endpoint, type TestFleet, testFleet } from "../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../support/kernel.ts";

const LAST_COLUMN = layout.ATTRIBUTES_MAX - 1;
const LOWER = 0;
const HIGHER = 1;
const ADAPTIVE = 0;
const FIXED = 1;

function attributeFleet(build: KernelBuild, parameters: readonly number[], values: readonly number[]): TestFleet {
  const program = { op: SCORER_OPS.attribute, column: LAST_COLUMN, parameters };
  const endpoints = values.map(() => endpoint());
  const fleet = testFleet(build, endpoints, [{ program, weight: 1 }]);
  const columns = new AttributeColumns(fleet.memory, fleet.kernel);
  for (const [slot, value] of values.entries()) columns.set(LAST_COLUMN, slot, value);
  return fleet;
}

describe.each(KERNEL_BUILDS)("attribute scorer (%s build)", (build) => {
  const unknown = Number.NaN;

  it.each([
    { name: "lower is better", parameters: [LOWER, ADAPTIVE], values: [1, 2, 5], scores: [1, 0.75, 0] },
    { name: "higher is better", parameters: [HIGHER, ADAPTIVE], values: [1, 2, 5], scores: [0, 0.25, 1] },
    { name: "equal ones", parameters: [LOWER, ADAPTIVE], values: [3, 3], scores: [1, 1] },
    { name: "a missing one scores 0", parameters: [LOWER, ADAPTIVE], values: [1, unknown, 3], scores: [1, 0, 0] },
    { name: "one known, none else", parameters: [HIGHER, ADAPTIVE], values: [unknown, 7], scores: [0, 1] },
    { name: "all missing", parameters: [HIGHER, ADAPTIVE], values: [unknown, unknown], scores: [0, 0] },
    { name: "a fixed range", parameters: [HIGHER, FIXED, 0, 10], values: [0, 4, 10], scores: [0, 0.4, 1] },
    { name: "beyond a fixed range", parameters: [LOWER, FIXED, 2, 4], values: [1, 3, 9], scores: [1, 0.5, 0] },
    { name: "negative numbers", parameters: [LOWER, ADAPTIVE], values: [-4, 0, 4], scores: [1, 0.5, 0] },
  ])("$name", ({ parameters, values, scores }) => {
    expect(attributeFleet(build, parameters, values).scores()).toEqual(scores);
  });

  it("a column that is cleared is unknown for all, the others as before", () => {
    const fleet = attributeFleet(build, [HIGHER, ADAPTIVE], [1, 2]);
    const columns = new AttributeColumns(fleet.memory, fleet.kernel);
    columns.set(LAST_COLUMN - 1, 1, 8);
    columns.clear(LAST_COLUMN);
    expect(fleet.scores()).toEqual([0, 0]);
    expect(columns.get(LAST_COLUMN - 1, 1)).toBe(8);
  });
});

describe("attribute columns", () => {
  it.each([
    { column: -1, slot: 0, message: "attribute column -1" },
    { column: layout.ATTRIBUTES_MAX, slot: 0, message: "attribute column 64" },
    { column: 0, slot: layout.ENDPOINTS_MAX, message: "slot 1024" },
  ])("column $column, slot $slot is a programmer's error", ({ column, slot, message }) => {
    const { memory, kernel } = testFleet("debug", [endpoint()], []);
    const columns = new AttributeColumns(memory, kernel);
    expect(() => columns.set(column, slot, 1)).toThrow(message);
    expect(() => columns.get(column, slot)).toThrow(message);
  });
});

describe.each(KERNEL_BUILDS)("context-length scorer (%s build)", (build) => {
  /** Score of a range for a prompt of so many tokens. */
  function fitOf(tokens: number, range: readonly [number, number] | undefined): number {
    const attributeColumns = range === undefined ? {} : { attributeColumns: [...range] };
    const program = { op: SCORER_OPS.contextLength, column: 0, operand: 1 };
    const fleet = testFleet(build, [endpoint(attributeColumns)], [{ program, weight: 1 }]);
    return fleet.scores(fleet.scan("x".repeat(tokens * 4 - 4)))[0] ?? Number.NaN;
  }

  it.each([
    { name: "no label", range: undefined, score: 0.5 },
    { name: "a malformed label", range: [1, 0] as const, score: 0 },
    { name: "a range of one length", range: [100, 100] as const, score: 1 },
    { name: "the lower end", range: [100, 300] as const, score: 0.3 + 0.7 * (0.7 / 1.02 + 0.3) },
    { name: "the upper end", range: [0, 100] as const, score: 0.3 + 0.7 * (0.7 / 1.01) },
    { name: "within", range: [0, 10_100] as const, score: 0.3 + 0.7 * (0.7 / 2.01 + (0.3 * 10_000) / 10_100) },
    { name: "1,000 below", range: [1_100, 2_000] as const, score: 0.15 },
    { name: "50 above", range: [0, 50] as const, score: 0.3 / 1.05 },
  ])("100 tokens, $name: $score", ({ range, score }) => {
    expect(fitOf(100, range)).toBeCloseTo(score, 12);
  });
});

describe.each(KERNEL_BUILDS)("label masks (%s build)", (build) => {
  it("belong to a policy, and follow the labels while it is in use", () => {
    const fleet = testFleet(build, [endpoint(), endpoint()], []);
    const masks = new PolicyMasks(fleet.memory);
    const filters = [{ op: FILTER_OPS.labels, mask: layout.LABEL_MASKS_MAX - 1 }];
    const [one, other] = [fleet.publish([], { filters }), fleet.publish([], { filters })];
    const leftOf = (policy: number): number[] => fleet.candidates(fleet.decide([{ ...fleet.request(), policy }])[0]);
    masks.set(one, layout.LABEL_MASKS_MAX - 1, 0, true);
    masks.set(other, layout.LABEL_MASKS_MAX - 1, 1, true);
    expect([leftOf(one), leftOf(other)]).toEqual([[0], [1]]);
    masks.set(one, layout.LABEL_MASKS_MAX - 1, 1, true);
    masks.set(one, layout.LABEL_MASKS_MAX - 1, 0, false);
    expect([leftOf(one), leftOf(other)]).toEqual([[1], [1]]);
    masks.clear(one);
    expect([leftOf(one), leftOf(other)]).toEqual([[], [1]]);
  });

  it.each([
    { policy: layout.POLICIES_MAX, mask: 0, slot: 0, message: "policy 8" },
    { policy: 0, mask: layout.LABEL_MASKS_MAX, slot: 0, message: "label mask 32" },
    { policy: 0, mask: 0, slot: layout.ENDPOINTS_MAX, message: "slot 1024" },
  ])("what is not there is a programmer's error: $message", ({ policy, mask, slot, message }) => {
    const masks = new PolicyMasks(testFleet(build, [], []).memory);
    expect(() => masks.set(policy, mask, slot, true)).toThrow(message);
  });
});
