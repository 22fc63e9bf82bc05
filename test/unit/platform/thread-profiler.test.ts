import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { ThreadProfiler } from "../../../src/platform/thread-profiler.ts";

const never = (): AbortSignal => new AbortController().signal;

async function readJson(pieces: AsyncIterable<Uint8Array> | undefined): Promise<Record<string, unknown>> {
  const read: Uint8Array[] = [];
  for await (const piece of pieces ?? []) read.push(piece);
  return JSON.parse(Buffer.concat(read).toString()) as Record<string, unknown>;
}

/** Work that a profile can see. */
function burnForTheProfile(): number {
  let sum = 0;
  for (let index = 0; index < 20_000_000; index++) sum += Math.sqrt(index);
  return sum;
}

describe("thread profiler", () => {
  it("a CPU profile shows what ran while it was taken", async () => {
    const clock = new ManualClock();
    const file = readJson(new ThreadProfiler(clock).capture({ kind: "cpu-profile", seconds: 5 }, never()));
    expect(burnForTheProfile()).toBeGreaterThan(0);
    clock.advance(4_999);
    expect(clock.pendingCount).toBe(1);
    clock.advance(1);
    const { nodes, samples } = (await file) as { nodes: { callFrame: { functionName: string } }[]; samples: number[] };
    expect(nodes.map(({ callFrame }) => callFrame.functionName)).toContain("burnForTheProfile");
    expect(samples.length).toBeGreaterThan(5);
  });

  it("a heap profile shows what was allocated and is held", async () => {
    const clock = new ManualClock();
    const file = readJson(new ThreadProfiler(clock).capture({ kind: "heap-profile", seconds: 1 }, never()));
    const held = Array.from({ length: 200_000 }, (_, index) => ({ index }));
    clock.advance(1_000);
    const { head, samples } = (await file) as { head: { children: unknown[] }; samples: unknown[] };
    expect(head.children.length).toBeGreaterThan(0);
    expect(samples.length).toBeGreaterThan(10);
    expect(held.length).toBe(200_000);
  });

  it("a heap snapshot is a file of nodes and edges", async () => {
    const profiler = new ThreadProfiler(new ManualClock());
    const file = await readJson(profiler.capture({ kind: "heap-snapshot" }, never()));
    expect(Object.keys(file)).toEqual(expect.arrayContaining(["snapshot", "nodes", "edges", "strings"]));
  });

  it("one capture at a time; the next one can begin when it is over, also when it was left early", async () => {
    const clock = new ManualClock();
    const profiler = new ThreadProfiler(clock);
    const first = readJson(profiler.capture({ kind: "cpu-profile", seconds: 1 }, never()));
    expect(profiler.capture({ kind: "heap-snapshot" }, never())).toBeUndefined();
    expect(profiler.capture({ kind: "cpu-profile", seconds: 1 }, never())).toBeUndefined();
    clock.advance(1_000);
    await first;
    for await (const piece of profiler.capture({ kind: "heap-snapshot" }, never()) ?? []) if (piece.length > 0) break;
    expect(profiler.capture({ kind: "heap-snapshot" }, never())).toBeDefined();
  });

  it("a signal that aborts ends the capture at once, without a file and without a timer left", async () => {
    const clock = new ManualClock();
    const profiler = new ThreadProfiler(clock);
    const abort = new AbortController();
    const file = readJson(profiler.capture({ kind: "cpu-profile", seconds: 300 }, abort.signal));
    abort.abort();
    await expect(file).rejects.toThrow(/abort/i);
    expect(clock.pendingCount).toBe(0);
    expect(profiler.capture({ kind: "heap-snapshot" }, never())).toBeDefined();
  });
});
