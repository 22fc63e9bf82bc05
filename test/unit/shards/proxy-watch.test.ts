import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import {
  EARLY_COUNT_TO_RAISE,
  EARLY_END_MS,
  ProxyWatch,
  RIGHT_COUNT_TO_CLEAR,
} from "../../../src/shards/proxy-watch.ts";

function start() {
  const told: string[] = [];
  const watch = new ProxyWatch(new ManualClock(), (message) => {
    if (message.kind === "degraded") told.push(`${message.code}: ${message.detail}`);
    else if (message.kind === "recovered") told.push(`no longer ${message.code}`);
  });
  const times = (count: number, step: () => void): void => {
    for (let index = 0; index < count; index++) step();
  };
  return { told, watch, times };
}

describe("bodies that are not as they should be", () => {
  it.each([
    {
      step: (watch: ProxyWatch) => watch.onBodyHidden(),
      code: "response-bodies-hidden",
      says: "response_body_mode: NONE",
    },
    {
      step: (watch: ProxyWatch) => watch.onBodyShown({ request: "buffered", response: "streamed" }),
      code: "response-bodies-shown",
      says: "in mode streamed: it does not take mode_override (Envoy: allow_mode_override",
    },
    {
      step: (watch: ProxyWatch) => watch.onBodyShown({ request: "full-duplex", response: "streamed" }),
      code: "response-bodies-shown",
      says: "in mode streamed: Envoy takes no mode_override where a body is configured in full duplex",
    },
  ])("are told once ($says), until many in a row were", ({ step, code, says }) => {
    const { told, watch, times } = start();
    times(5, () => {
      step(watch);
      times(RIGHT_COUNT_TO_CLEAR - 1, () => watch.onAsWanted());
    });
    expect(told).toEqual([expect.stringMatching(`^${code}: `)]);
    expect(told[0]).toContain(says);
    watch.onAsWanted();
    expect(told.slice(1)).toEqual([`no longer ${code}`]);
    times(RIGHT_COUNT_TO_CLEAR * 2, () => watch.onAsWanted());
    expect(told).toHaveLength(2);
    step(watch);
    expect(told).toHaveLength(3);
  });
});

describe("streams that end where responses begin", () => {
  it("are told once there are many in a row, until one lasts", () => {
    const { told, watch, times } = start();
    times(EARLY_COUNT_TO_RAISE - 1, () => watch.onUnseenEnd(EARLY_END_MS));
    expect(told).toEqual([]);
    times(100, () => watch.onUnseenEnd(0.5));
    expect(told).toEqual([expect.stringMatching(/^streams-end-early: 32 streamed responses in a row/)]);
    watch.onUnseenEnd(EARLY_END_MS + 1);
    expect(told.slice(1)).toEqual(["no longer streams-end-early"]);
  });

  it("are not told while one in many lasts", () => {
    const { told, watch, times } = start();
    times(10, () => {
      times(EARLY_COUNT_TO_RAISE - 1, () => watch.onUnseenEnd(1));
      watch.onUnseenEnd(100);
    });
    expect(told).toEqual([]);
  });
});
