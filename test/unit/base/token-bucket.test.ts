import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { TokenBucket } from "../../../src/base/token-bucket.ts";

function takeAll(bucket: TokenBucket, attempts: number): number {
  let taken = 0;
  for (let attempt = 0; attempt < attempts; attempt++) if (bucket.take()) taken++;
  return taken;
}

describe("token bucket", () => {
  it("lets a burst pass at once, then as many as time allows", () => {
    const clock = new ManualClock();
    const bucket = new TokenBucket({ clock, perSecond: 10, burst: 30 });
    expect(takeAll(bucket, 100)).toBe(30);
    clock.advance(99);
    expect(takeAll(bucket, 100)).toBe(0);
    clock.advance(1);
    expect(takeAll(bucket, 100)).toBe(1);
    clock.advance(1_000);
    expect(takeAll(bucket, 100)).toBe(10);
  });

  it("a long quiet time saves up no more than a burst", () => {
    const clock = new ManualClock();
    const bucket = new TokenBucket({ clock, perSecond: 10, burst: 30 });
    takeAll(bucket, 100);
    clock.advance(3_600_000);
    expect(takeAll(bucket, 100)).toBe(30);
  });

  it("many small steps of time give as much as one large one", () => {
    const clock = new ManualClock();
    const bucket = new TokenBucket({ clock, perSecond: 100, burst: 5 });
    takeAll(bucket, 10);
    let taken = 0;
    for (let step = 0; step < 1_000; step++) {
      clock.advance(1);
      taken += takeAll(bucket, 3);
    }
    expect(taken).toBeGreaterThanOrEqual(99);
    expect(taken).toBeLessThanOrEqual(100);
  });
});
