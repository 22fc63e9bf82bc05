import { expect, it } from "vitest";
import { HalfCloses } from "../../../../../src/extproc/transport/direct/half-closes.ts";
import type { DirectStream } from "../../../../../src/extproc/transport/direct/stream.ts";

class Ended {
  isOpen = true;
  toldCount = 0;

  get stream(): DirectStream {
    return this as unknown as DirectStream;
  }

  onHalfClose(): void {
    if (this.isOpen) this.toldCount++;
  }
}

async function nextTurn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

it("an end is told once, when sockets were read again and no reset has come", async () => {
  const halfCloses = new HalfCloses();
  const ended = new Ended();
  halfCloses.add(ended.stream);
  halfCloses.review();
  expect(ended.toldCount).toBe(0);
  await nextTurn();
  expect(ended.toldCount).toBe(0);
  for (let turn = 0; turn < 3; turn++) {
    halfCloses.review();
    await nextTurn();
  }
  expect(ended.toldCount).toBe(1);
});

it("an end is not told when the stream is reset with it, or right behind it", async () => {
  const halfCloses = new HalfCloses();
  const [withIt, behindIt, other] = [new Ended(), new Ended(), new Ended()];
  for (const { stream } of [withIt, behindIt, other]) halfCloses.add(stream);
  withIt.isOpen = false;
  halfCloses.review();
  await nextTurn();
  behindIt.isOpen = false;
  for (let turn = 0; turn < 3; turn++) await nextTurn();
  expect([withIt, behindIt, other].map(({ toldCount }) => toldCount)).toEqual([0, 0, 1]);
});

it("an end that comes while others are waited for is told in its own time", async () => {
  const halfCloses = new HalfCloses();
  const [first, second] = [new Ended(), new Ended()];
  halfCloses.add(first.stream);
  halfCloses.review();
  await nextTurn();
  halfCloses.add(second.stream);
  halfCloses.review();
  await nextTurn();
  expect([first.toldCount, second.toldCount]).toEqual([1, 0]);
  for (let turn = 0; turn < 3; turn++) await nextTurn();
  expect([first.toldCount, second.toldCount]).toEqual([1, 1]);
});
