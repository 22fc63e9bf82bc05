import { expect, it } from "vitest";
import { ManualClock } from "../../../../../src/base/clock.ts";
import { KEEP_ALIVE_ANSWER_MS_MAX, KeepAlive } from "../../../../../src/extproc/transport/direct/keep-alive.ts";

const SILENCE_MS = 30_000;

function newKeepAlive(silenceMs = SILENCE_MS) {
  const clock = new ManualClock();
  const events: string[] = [];
  const note = (what: string) => (): void => void events.push(`${what} ${clock.nowMs()}`);
  const keepAlive = new KeepAlive({ clock, silenceMs, onSilent: note("asked"), onLost: note("lost") });
  return { clock, events, keepAlive };
}

it("a connection that speaks is never asked", () => {
  const { clock, events, keepAlive } = newKeepAlive();
  for (let spoken = 0; spoken < 20; spoken++) {
    clock.advance(SILENCE_MS - 1);
    keepAlive.onHeard();
  }
  expect(events).toEqual([]);
});

it("a connection that is silent is asked between one and two times the silence, and lost without an answer", () => {
  const { clock, events, keepAlive } = newKeepAlive();
  clock.advance(1);
  keepAlive.onHeard();
  clock.advance(2 * SILENCE_MS - 1);
  expect(events).toEqual([`asked ${2 * SILENCE_MS}`]);
  clock.advance(KEEP_ALIVE_ANSWER_MS_MAX);
  expect(events).toEqual([`asked ${2 * SILENCE_MS}`, `lost ${2 * SILENCE_MS + KEEP_ALIVE_ANSWER_MS_MAX}`]);
});

it("a connection that answers is kept, and asked again when it is silent again", () => {
  const { clock, events, keepAlive } = newKeepAlive();
  for (let round = 1; round <= 5; round++) {
    clock.advance(2 * SILENCE_MS);
    expect(events).toEqual(Array.from({ length: round }, (_, index) => `asked ${2 * SILENCE_MS * (index + 1)}`));
    keepAlive.onHeard();
  }
});

it("a short silence has as short a time for the answer, and an answer in it counts", () => {
  const { clock, events, keepAlive } = newKeepAlive(100);
  clock.advance(299);
  keepAlive.onHeard();
  clock.advance(201);
  expect(events).toEqual(["asked 200", "asked 400", "lost 500"]);
});

it("a connection that is closed is not asked, and leaves no timer", () => {
  const { clock, events, keepAlive } = newKeepAlive();
  clock.advance(2 * SILENCE_MS);
  keepAlive.close();
  expect(clock.pendingCount).toBe(0);
  clock.advance(10 * SILENCE_MS);
  expect(events).toHaveLength(1);
});
