import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../../src/base/clock.ts";
import { type Backlog, FairTurns, TURN_MS_MAX } from "../../../../../src/extproc/transport/direct/fair-turns.ts";

/** Turns that the test gives, one after the other. */
function newTurns() {
  const clock = new ManualClock();
  const deferred: (() => void)[] = [];
  const turns = new FairTurns(clock, (task) => deferred.push(task));
  const nextTurn = (): void => {
    const [task, ...others] = deferred.splice(0);
    expect(others).toEqual([]);
    task?.();
  };
  return { clock, turns, nextTurn, deferredCount: () => deferred.length };
}

describe("turns", () => {
  it("have time for what takes less than one may take together, and none beyond", () => {
    const { clock, turns, nextTurn } = newTurns();
    expect(turns.hasTime).toBe(true);
    clock.advance(TURN_MS_MAX - 0.1);
    expect(turns.hasTime).toBe(true);
    clock.advance(0.1);
    expect(turns.hasTime).toBe(false);
    nextTurn();
    expect(turns.hasTime).toBe(true);
  });

  it("cost nothing when nothing is done", () => {
    const { turns, nextTurn, deferredCount } = newTurns();
    expect(deferredCount()).toBe(0);
    expect(turns.hasTime).toBe(true);
    nextTurn();
    expect(deferredCount()).toBe(0);
  });

  it("work on what waits in the order in which it came, what is unfinished behind what had no turn yet", () => {
    const { clock, turns, nextTurn } = newTurns();
    const worked: string[] = [];
    const backlog = (name: string, pieces: number): Backlog => {
      let left = pieces;
      return {
        work() {
          worked.push(name);
          clock.advance(TURN_MS_MAX / 2);
          left--;
          return left === 0;
        },
      };
    };
    turns.later(backlog("a", 3));
    turns.later(backlog("b", 1));
    turns.later(backlog("c", 2));
    for (let turn = 0; turn < 6; turn++) nextTurn();
    expect(worked.join("")).toBe("abcaca");
  });

  it("do not let a connection that always has more hold up a light one", () => {
    const { clock, turns, nextTurn } = newTurns();
    let heavyTurns = 0;
    const heavy: Backlog = {
      work() {
        heavyTurns++;
        clock.advance(10 * TURN_MS_MAX);
        return false;
      },
    };
    turns.later(heavy);
    for (let round = 0; round < 20; round++) {
      const before = heavyTurns;
      let heldUpBy: number | undefined;
      turns.later({
        work() {
          heldUpBy = heavyTurns - before;
          return true;
        },
      });
      for (let turn = 0; heldUpBy === undefined && turn < 5; turn++) nextTurn();
      expect(heldUpBy).toBeLessThanOrEqual(1);
    }
    expect(heavyTurns).toBeGreaterThan(5);
  });

  it("leave what comes while a turn is under way to a later one", () => {
    const { turns, nextTurn } = newTurns();
    const worked: string[] = [];
    const again: Backlog = {
      work() {
        worked.push("again");
        return true;
      },
    };
    turns.later({
      work() {
        worked.push("first");
        turns.later(again);
        return true;
      },
    });
    nextTurn();
    expect(worked).toEqual(["first"]);
    nextTurn();
    expect(worked).toEqual(["first", "again"]);
  });
});
