import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/base/errors.ts";
import { ColumnNumbers } from "../../../src/scheduling/policy-resources.ts";

function testNumbers(countMax: number): { readonly numbers: ColumnNumbers; readonly cleared: number[] } {
  const cleared: number[] = [];
  return { numbers: new ColumnNumbers({ clear: (column) => cleared.push(column) }, countMax), cleared };
}

describe("numbers of attribute columns", () => {
  it("are the same for the same content, and cleared when they get another one", () => {
    const { numbers, cleared } = testNumbers(3);
    expect([...numbers.take(["a", "b"])]).toEqual([
      ["a", 0],
      ["b", 1],
    ]);
    expect([...numbers.take(["b", "c"])]).toEqual([
      ["b", 1],
      ["c", 2],
    ]);
    expect(cleared).toEqual([0, 1, 2]);
    numbers.release(["a", "b"]);
    // b is still used by the second policy.
    expect(["a", "b", "c"].map((key) => numbers.numberOf(key))).toEqual([undefined, 1, 2]);
    expect([...numbers.take(["d"])]).toEqual([["d", 0]]);
    expect(cleared).toEqual([0, 1, 2, 0]);
  });

  it("that find no room are a fault, and none of them is taken", () => {
    const { numbers } = testNumbers(2);
    numbers.take(["a"]);
    expect(() => numbers.take(["a", "b", "c"])).toThrow(ConfigError);
    expect(() => numbers.take(["a", "b", "c"])).toThrow(
      /^2 new columns of numbers per endpoint find no room: 1 are in use/,
    );
    expect([...numbers.take(["b"])]).toEqual([["b", 1]]);
  });

  it("that were never taken are released without harm", () => {
    const { numbers } = testNumbers(1);
    numbers.release(["a"]);
    expect([...numbers.take(["b"])]).toEqual([["b", 0]]);
  });
});
