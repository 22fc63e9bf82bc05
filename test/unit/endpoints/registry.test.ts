import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/base/errors.ts";
import { Prng } from "../../../src/base/prng.ts";
import { EndpointRegistry, type SlotUse } from "../../../src/endpoints/registry.ts";
import type { EndpointSpec } from "../../../src/framework/endpoint.ts";
import { EndpointColumns } from "../../../src/wasm/endpoint-columns.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { createSharedMemory } from "../../../src/wasm/regions.ts";

function spec(name: string, changes: Partial<EndpointSpec> = {}): EndpointSpec {
  return { name, namespace: "default", address: "10.0.0.1", port: 8000, labels: {}, ...changes };
}

/** The index writer and the shards, as far as slots are concerned: tests say what is cleared and what is in flight. */
class FakeSlotUse implements SlotUse {
  readonly requests: { slot: number; generation: number }[] = [];
  readonly cleared = new Set<string>();
  readonly inFlight = new Map<number, number>();

  requestClear(slot: number, generation: number): void {
    this.requests.push({ slot, generation });
  }

  isCleared(slot: number, generation: number): boolean {
    return this.cleared.has(`${slot}/${generation}`);
  }

  inFlightRequests(slot: number): number {
    return this.inFlight.get(slot) ?? 0;
  }

  /** Carries out all clearings that were asked for. */
  clearAll(): void {
    for (const { slot, generation } of this.requests) this.cleared.add(`${slot}/${generation}`);
  }
}

function setUp(): { registry: EndpointRegistry; use: FakeSlotUse; stateOf: (slot: number) => number } {
  const memory = createSharedMemory({ shardCount: 1, streamWindowCount: 1, indexSlotsLog2: 12 });
  const use = new FakeSlotUse();
  const view = new DataView(memory.buffer);
  return {
    registry: new EndpointRegistry(new EndpointColumns(memory), use),
    use,
    stateOf: (slot) => view.getUint32(layout.COLUMN_STATE + slot * 4, true),
  };
}

/** Name, slot and generation of each endpoint. */
const seats = (registry: EndpointRegistry): unknown[] =>
  registry.endpoints.map(({ spec: { name }, slot, generation }) => [name, slot, generation]);

describe("endpoint registry", () => {
  it("new endpoints take the first free slots, reachable and with nothing known", () => {
    const { registry, stateOf } = setUp();
    const { added, removed } = registry.replaceAll([spec("a"), spec("b", { port: 8001 })]);
    expect(seats(registry)).toEqual([
      ["a", 0, 1],
      ["b", 1, 1],
    ]);
    expect(added).toEqual(registry.endpoints);
    expect(removed).toEqual([]);
    expect(added[0]).toMatchObject({ id: "default/a", isReachable: true, scraped: undefined });
    expect([0, 1, 2].map(stateOf)).toEqual([3, 3, 0]);
  });

  it("the same fleet again changes nothing", () => {
    const { registry, use } = setUp();
    registry.replaceAll([spec("a"), spec("b")]);
    const before = registry.endpoints;
    expect(registry.replaceAll([spec("b"), spec("a")])).toEqual({ added: [], removed: [], relabelled: [] });
    expect(registry.endpoints).toEqual(before);
    expect(use.requests).toEqual([]);
  });

  it("of two with the same id the last one counts", () => {
    const { registry } = setUp();
    registry.replaceAll([spec("a", { port: 1 }), spec("a", { port: 2 }), spec("a", { namespace: "other", port: 3 })]);
    expect(registry.endpoints.map(({ id, spec: { port } }) => [id, port])).toEqual([
      ["default/a", 2],
      ["other/a", 3],
    ]);
  });

  it("an endpoint that is gone is absent at once, and the index is asked to forget it", () => {
    const { registry, use, stateOf } = setUp();
    registry.replaceAll([spec("a"), spec("b")]);
    const { removed } = registry.replaceAll([spec("b")]);
    expect(removed.map(({ id }) => id)).toEqual(["default/a"]);
    expect(stateOf(0)).toBe(0);
    expect(use.requests).toEqual([{ slot: 0, generation: 1 }]);
    // For the decision log: picks that were just made are still named.
    expect(registry.at(0)?.spec.name).toBe("a");
  });

  it.each([
    { name: "another address", change: { address: "10.0.0.2" } },
    { name: "another port", change: { port: 8001 } },
  ])("an endpoint with $name is a new endpoint in another slot", ({ change }) => {
    const { registry, use } = setUp();
    registry.replaceAll([spec("a")]);
    const { added, removed } = registry.replaceAll([spec("a", change)]);
    expect([added.length, removed.length]).toEqual([1, 1]);
    expect(seats(registry)).toEqual([["a", 1, 1]]);
    expect(use.requests).toEqual([{ slot: 0, generation: 1 }]);
  });

  it("an endpoint whose labels change stays what it is, with the new labels", () => {
    const { registry } = setUp();
    registry.replaceAll([spec("a", { labels: { role: "prefill" } })]);
    const [before] = registry.endpoints;
    if (before !== undefined) registry.setReachable(before, false);
    expect(registry.replaceAll([spec("a", { labels: { role: "decode" } })])).toEqual({
      added: [],
      removed: [],
      relabelled: [before],
    });
    expect(registry.endpoints[0]).toBe(before);
    expect(before).toMatchObject({ isReachable: false, spec: { labels: { role: "decode" } } });
  });

  it.each([
    { name: "neither cleared nor idle", isCleared: false, inFlight: 1, slot: 2 },
    { name: "cleared, with a request in flight", isCleared: true, inFlight: 1, slot: 2 },
    { name: "idle, not cleared", isCleared: false, inFlight: 0, slot: 2 },
    { name: "cleared and idle", isCleared: true, inFlight: 0, slot: 0 },
  ])("a slot that is $name: the next endpoint gets slot $slot", ({ isCleared, inFlight, slot }) => {
    const { registry, use } = setUp();
    registry.replaceAll([spec("a"), spec("b")]);
    use.inFlight.set(0, inFlight);
    registry.replaceAll([spec("b")]);
    if (isCleared) use.clearAll();
    registry.replaceAll([spec("b"), spec("c", { port: 9 })]);
    expect(registry.endpoints.map((endpoint) => [endpoint.spec.name, endpoint.slot])).toEqual([
      ["b", 1],
      ["c", slot],
    ]);
    expect(registry.at(0)?.spec.name).toBe(slot === 0 ? "c" : "a");
  });

  it("clearing of an earlier generation does not free a slot", () => {
    const { registry, use } = setUp();
    registry.replaceAll([spec("a")]);
    registry.replaceAll([]);
    use.clearAll();
    registry.replaceAll([spec("b")]);
    registry.replaceAll([]);
    registry.replaceAll([spec("c")]);
    expect(seats(registry)).toEqual([["c", 1, 1]]);
    expect(use.requests).toEqual([
      { slot: 0, generation: 1 },
      { slot: 0, generation: 2 },
    ]);
  });

  it("a fleet that finds no room is refused as a whole, and nothing changes", () => {
    const { registry, use } = setUp();
    const fleet = Array.from({ length: layout.ENDPOINTS_MAX }, (_, index) => spec(`e${index}`, { port: index + 1 }));
    registry.replaceAll(fleet);
    expect(registry.endpoints).toHaveLength(layout.ENDPOINTS_MAX);

    const other = [...fleet.slice(1), spec("new", { port: 60_000 })];
    expect(() => registry.replaceAll(other)).toThrow(ConfigError);
    expect(() => registry.replaceAll(other)).toThrow(
      "1 new endpoints find no room: 1024 are present and 0 are being cleared, of 1024",
    );
    expect(registry.endpoints.map(({ spec: { name } }) => name)).toEqual(fleet.map(({ name }) => name));
    expect(use.requests).toEqual([]);

    registry.replaceAll(fleet.slice(1));
    expect(() => registry.replaceAll(other)).toThrow("1023 are present and 1 are being cleared");
    use.clearAll();
    registry.replaceAll(other);
    expect(registry.endpoints.at(-1)).toMatchObject({ slot: 0, generation: 2, spec: { name: "new" } });
  });

  it("tells of what is added, removed and relabelled, and of nothing else", () => {
    const { registry, stateOf } = setUp();
    const told: unknown[] = [];
    const names = (endpoints: readonly { spec: { name: string } }[]): string[] => endpoints.map((e) => e.spec.name);
    const stop = registry.onFleetChanged({
      onAdding: (slot, { name }) => void told.push(["adding", name, slot, stateOf(slot)]),
      onChanged: ({ added, removed, relabelled }) =>
        void told.push(["changed", names(added), names(removed), names(relabelled)]),
    });
    registry.replaceAll([spec("a"), spec("b")]);
    registry.replaceAll([spec("a"), spec("b")]);
    registry.replaceAll([spec("b", { labels: { x: "1" } }), spec("c")]);
    registry.replaceAll([spec("b", { labels: { x: "1" } }), spec("c", { labels: {} })]);
    registry.replaceAll([spec("b"), spec("c")]);
    stop();
    registry.replaceAll([]);
    expect(told).toEqual([
      // No decision sees the slot yet.
      ["adding", "a", 0, 0],
      ["adding", "b", 1, 0],
      ["changed", ["a", "b"], [], []],
      ["adding", "c", 2, 0],
      ["changed", ["c"], ["a"], ["b"]],
      ["changed", [], [], ["b"]],
    ]);
  });

  it("no two endpoints ever have one slot, and no slot is given before it is cleared and idle", () => {
    // Strategy: random fleets out of 30 names with 3 ports each; clearing and requests finish at random.
    const seed = 20_261_127;
    const prng = new Prng(seed);
    const { registry, use } = setUp();
    let changes = 0;
    for (; changes < 300; changes++) {
      const wanted = Array.from({ length: 30 }, (_, index) =>
        spec(`e${index}`, { port: 1 + prng.nextBelow(3) }),
      ).filter(() => prng.nextBelow(3) > 0);
      const removedBefore = use.requests.length;
      const { added } = registry.replaceAll(wanted);
      const slots = registry.endpoints.map(({ slot }) => slot);
      const note = `seed ${seed} change ${changes}`;
      expect(new Set(slots).size, note).toBe(slots.length);
      expect(registry.endpoints.map(({ id }) => id).toSorted(), note).toEqual(
        wanted.map(({ name }) => `default/${name}`).toSorted(),
      );
      for (const { slot, generation } of added) {
        if (generation === 1) continue;
        expect(use.cleared.has(`${slot}/${generation - 1}`), note).toBe(true);
        expect(use.inFlightRequests(slot), note).toBe(0);
      }
      for (const { slot } of use.requests.slice(removedBefore)) use.inFlight.set(slot, prng.nextBelow(2));
      for (const { slot, generation } of use.requests)
        if (prng.nextBelow(4) === 0) use.cleared.add(`${slot}/${generation}`);
      for (const slot of use.inFlight.keys()) if (prng.nextBelow(3) === 0) use.inFlight.delete(slot);
    }
    expect(changes).toBe(300);
  });

  it("reachability is told once per change and counted", () => {
    const { registry, stateOf } = setUp();
    const [first] = registry.replaceAll([spec("a"), spec("b")]).added;
    if (first === undefined) throw new Error("an endpoint was added");
    expect(registry.reachableCount).toBe(2);
    const changed = [true, false, false, true].map((isReachable) => {
      const didChange = registry.setReachable(first, isReachable);
      return [didChange, registry.reachableCount, stateOf(0)];
    });
    expect(changed).toEqual([
      [false, 2, 3],
      [true, 1, 1],
      [false, 1, 1],
      [true, 2, 3],
    ]);
  });
});
