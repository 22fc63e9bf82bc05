import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { NameTable, OTHER_NAME } from "../../../src/wasm/name-table.ts";
import { endpoint, type TestFleet, testFleet } from "../../support/fleet.ts";
import { KERNEL_BUILDS } from "../../support/kernel.ts";
import { xxh64 } from "../../support/xxh64.ts";

/** The number under which a shard finds the model of a request. */
function numberSeen(fleet: TestFleet, model: string): number | undefined {
  const window = fleet.scan("hi", { model });
  const picked = fleet.pick(window);
  fleet.shards[0]?.releaseWindow(window);
  if (picked !== undefined) fleet.shards[0]?.release(picked);
  return picked?.nameNumber;
}

const homeSlot = (name: string): number => Number(xxh64(Buffer.from(name)) % BigInt(layout.NAME_SLOTS));

/** Names whose hashes want the same slot of the table. */
function collidingNames(slot: number, count: number): string[] {
  const names: string[] = [];
  for (let number = 0; names.length < count; number++)
    if (homeSlot(`model-${number}`) === slot) names.push(`model-${number}`);
  return names;
}

describe.each(KERNEL_BUILDS)("name table (%s build)", (build) => {
  const setUp = (): { fleet: TestFleet; names: NameTable } => {
    const fleet = testFleet(build, [endpoint()], []);
    return { fleet, names: new NameTable(fleet.memory, fleet.kernel) };
  };

  it("a name keeps the number that it was given first", () => {
    const { names } = setUp();
    expect(["a", "b", "a", "c", "b"].map((name) => names.add(name))).toEqual([1, 2, 1, 3, 2]);
    expect(names.names).toEqual([OTHER_NAME, "a", "b", "c"]);
  });

  it.each(["llama", "größe/模型:latest", "", "m".repeat(layout.MODEL_SIZE_MAX)])(
    "a shard finds the number of %j by the hash of its bytes",
    (model) => {
      const { fleet, names } = setUp();
      names.add("another");
      expect(numberSeen(fleet, model)).toBe(0);
      expect(names.add(model)).toBe(2);
      expect(numberSeen(fleet, model)).toBe(2);
    },
  );

  it("names whose hashes want the same slot are told apart, around the table's end too", () => {
    const { fleet, names } = setUp();
    const colliding = [...collidingNames(layout.NAME_SLOTS - 1, 4), ...collidingNames(0, 3)];
    const missing = colliding.pop() ?? "";
    const numbers = colliding.map((name) => names.add(name));
    expect(numbers).toEqual([1, 2, 3, 4, 5, 6]);
    expect(colliding.map((name) => numberSeen(fleet, name))).toEqual(numbers);
    expect(numberSeen(fleet, missing)).toBe(0);
  });

  it("takes NAMES_MAX − 1 names; further ones are number 0, and the known ones stay known", () => {
    const seed = 20_261_126;
    const prng = new Prng(seed);
    const { fleet, names } = setUp();
    const taken = Array.from({ length: layout.NAMES_MAX - 1 }, (_, index) => `name ${index}`);
    expect(taken.map((name) => names.add(name))).toEqual(taken.map((_, index) => index + 1));
    expect(names.hasRoom).toBe(false);
    expect(names.add("one too many")).toBe(0);
    expect(names.names).toHaveLength(layout.NAMES_MAX);
    expect(names.add("name 77")).toBe(78);
    expect(numberSeen(fleet, "one too many")).toBe(0);
    for (let look = 0; look < 100; look++) {
      const number = 1 + prng.nextBelow(layout.NAMES_MAX - 1);
      expect(numberSeen(fleet, names.names[number] ?? ""), `seed ${seed} number ${number}`).toBe(number);
    }
  });

  it("a name longer than any model can be is number 0 and takes no place", () => {
    const { names } = setUp();
    expect(names.add("m".repeat(layout.MODEL_SIZE_MAX + 1))).toBe(0);
    expect(names.add("é".repeat(layout.MODEL_SIZE_MAX / 2 + 1))).toBe(0);
    expect(names.names).toEqual([OTHER_NAME]);
    expect(names.hasRoom).toBe(true);
  });

  it("a model that is called like the rest is counted with the rest", () => {
    const { names } = setUp();
    expect(names.add(OTHER_NAME)).toBe(0);
    expect(names.names).toEqual([OTHER_NAME]);
  });
});
