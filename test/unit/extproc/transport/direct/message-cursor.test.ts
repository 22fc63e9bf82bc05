import { expect, it } from "vitest";
import { Prng, randomSeed } from "../../../../../src/base/prng.ts";
import { MessageCursor } from "../../../../../src/extproc/transport/direct/message-cursor.ts";
import { cutAtRandom } from "../../../../support/cuts.ts";
import { grpcFrame } from "../../../../support/grpc-messages.ts";

const RUNS = 1_000;

it(`${RUNS} messages, whole or in pieces, are copied with their heads in whatever steps`, () => {
  const seed = randomSeed();
  const prng = new Prng(seed);
  const cursor = new MessageCursor();
  for (let run = 0; run < RUNS; run++) {
    const name = `seed ${seed}, run ${run}`;
    const message = Buffer.from(Array.from({ length: prng.nextBelow(300) }, () => prng.nextBelow(256)));
    const expected = grpcFrame(message);
    const start = prng.nextBelow(expected.length + 1);
    const end = start + prng.nextBelow(expected.length - start + 1);
    const isResumed = prng.nextBelow(3) === 0;
    if (isResumed) cursor.resume(expected, start, end);
    else cursor.begin(prng.nextBelow(2) === 0 ? message : cutAtRandom(message, prng));
    const bytes = isResumed ? expected.subarray(start, end) : expected;
    expect(cursor.left, name).toBe(bytes.length);
    const copied = Buffer.alloc(bytes.length);
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + prng.nextBelow(cursor.left);
      cursor.copy(copied, at, size);
      at += size;
      expect(cursor.left, name).toBe(bytes.length - at);
    }
    expect(copied.equals(bytes), name).toBe(true);
  }
});
