import { describe, expect, it } from "vitest";
import { Prng, randomSeed } from "../../../../../src/base/prng.ts";
import type { DirectStream } from "../../../../../src/extproc/transport/direct/stream.ts";
import { StreamTable } from "../../../../../src/extproc/transport/direct/stream-table.ts";

/** The table reads the number of a stream, and nothing else. */
function stream(id: number): DirectStream {
  return { id } as DirectStream;
}

describe("a stream table", () => {
  it("finds what was added until it is deleted", () => {
    const table = new StreamTable();
    const first = stream(1);
    table.add(first);
    expect(table.get(1)).toBe(first);
    expect([table.has(1), table.has(3), table.size]).toEqual([true, false, 1]);
    table.delete(3);
    expect(table.size).toBe(1);
    table.delete(1);
    expect([table.has(1), table.size, table.all()]).toEqual([false, 0, []]);
  });

  /**
   * Strategy: numbers go up as those of a client do, with leaps, and streams end in any order, some of them never until
   * the end. Beside it a Map.
   */
  it("holds what a Map would, whatever comes and goes", () => {
    const seed = randomSeed();
    for (let run = 0; run < 20; run++) {
      const prng = new Prng((seed + run) >>> 0);
      const openMax = 1 + prng.nextBelow(600);
      const table = new StreamTable();
      const model = new Map<number, DirectStream>();
      let id = 1;
      for (let step = 0; step < 1_000; step++) {
        const name = `seed ${seed}, run ${run}, step ${step}`;
        if (model.size < openMax && prng.nextBelow(2) === 0) {
          // Every number has the same slot in a small table, now and then.
          id += prng.nextBelow(8) === 0 ? 128 * (1 + prng.nextBelow(8)) : 2;
          const added = stream(id);
          table.add(added);
          model.set(id, added);
        } else {
          const ids = [...model.keys()];
          const gone = ids[prng.nextBelow(Math.max(1, ids.length))] ?? id;
          table.delete(gone);
          model.delete(gone);
        }
        expect(table.size, name).toBe(model.size);
        const asked = 1 + 2 * prng.nextBelow((id + 3) / 2);
        expect(table.get(asked), name).toBe(model.get(asked));
      }
      for (const [known, added] of model) expect(table.get(known), `seed ${seed}, run ${run}`).toBe(added);
      expect(new Set(table.all()), `seed ${seed}, run ${run}`).toEqual(new Set(model.values()));
    }
  });
});
