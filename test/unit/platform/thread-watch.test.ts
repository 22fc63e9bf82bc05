import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { nextTurn } from "../../../src/base/turn.ts";
import type { QueriedThread } from "../../../src/platform/thread-queries.ts";
import { ThreadWatch } from "../../../src/platform/thread-watch.ts";

interface ScriptedThread extends QueriedThread {
  /** Answers the ping that waits. */
  answer(): void;
  /** The thread is gone. */
  end(): void;
  readonly pings: number;
}

function scripted(name: string): ScriptedThread {
  let pings = 0;
  let settle = { resolve: (): void => undefined, reject: (_error: Error): void => undefined };
  return {
    name,
    get pings() {
      return pings;
    },
    answer: () => settle.resolve(),
    end: () => settle.reject(new Error("ended")),
    async *ask() {
      pings++;
      await new Promise<void>((resolve, reject) => {
        settle = { resolve, reject };
      });
      yield* [];
    },
  };
}

const watches: ThreadWatch[] = [];

afterEach(() => {
  for (const watch of watches.splice(0)) watch.close();
});

function setUp(...threads: ScriptedThread[]): { clock: ManualClock; silent: string[]; answered: string[] } {
  const clock = new ManualClock();
  const silent: string[] = [];
  const answered: string[] = [];
  watches.push(
    new ThreadWatch({
      clock,
      threads: () => threads,
      onSilent: (name, silentMs) => silent.push(`${name} ${silentMs}`),
      onAnswer: (name) => answered.push(name),
    }),
  );
  return { clock, silent, answered };
}

describe("thread watch", () => {
  it("a thread that answers is asked every 2 s, and nothing is said", async () => {
    const thread = scripted("shard-0");
    const { clock, silent, answered } = setUp(thread);
    for (let look = 1; look <= 10; look++) {
      clock.advance(2_000);
      thread.answer();
      await nextTurn();
      expect([thread.pings, answered.length]).toEqual([look, look]);
    }
    expect(silent).toEqual([]);
  });

  it("a thread that is silent for more than 5 s is told, and is asked once only", () => {
    const thread = scripted("shard-0");
    const { clock, silent } = setUp(thread);
    clock.advance(7_999);
    expect(silent).toEqual([]);
    clock.advance(1);
    clock.advance(2_000);
    expect(silent).toEqual(["shard-0 6000", "shard-0 8000"]);
    expect(thread.pings).toBe(1);
  });

  it("when it answers again that is told, and it is asked again", async () => {
    const thread = scripted("shard-0");
    const { clock, answered } = setUp(thread);
    clock.advance(10_000);
    thread.answer();
    await nextTurn();
    expect(answered).toEqual(["shard-0"]);
    clock.advance(2_000);
    expect(thread.pings).toBe(2);
  });

  it("one that ends is silent no more, and does not keep the others from being asked", async () => {
    const [first, second] = [scripted("shard-0"), scripted("shard-1")];
    const { clock, silent, answered } = setUp(first, second);
    clock.advance(8_000);
    expect(silent).toEqual(["shard-0 6000", "shard-1 6000"]);
    first.end();
    await nextTurn();
    expect(answered).toEqual(["shard-0"]);
  });

  it("the end of the watch leaves no timer", () => {
    const { clock } = setUp(scripted("shard-0"));
    watches[0]?.close();
    expect(clock.pendingCount).toBe(0);
  });
});
