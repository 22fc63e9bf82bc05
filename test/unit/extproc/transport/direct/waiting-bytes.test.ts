import { expect, it } from "vitest";
import { Prng, randomSeed } from "../../../../../src/base/prng.ts";
import { SLAB_SIZE, SlabPool } from "../../../../../src/extproc/slab-pool.ts";
import { MessageCursor } from "../../../../../src/extproc/transport/direct/message-cursor.ts";
import { WaitingBytes } from "../../../../../src/extproc/transport/direct/waiting-bytes.ts";

const STEPS = 5_000;
const SLABS_MAX = 8;

/**
 * Strategy: two queues over one pool that is too small for both; messages of random sizes go in, random numbers of
 * bytes go out, and now and then all is dropped. The model is a buffer per queue. Invariants: the same bytes, the same
 * order, and at the end every slab is back.
 */
it(`${STEPS} steps of two queues give the bytes in order, and all slabs back`, () => {
  const seed = randomSeed();
  const prng = new Prng(seed);
  let exhaustedCount = 0;
  const pool = new SlabPool({ slabsMax: SLABS_MAX, onExhausted: () => exhaustedCount++ });
  const cursor = new MessageCursor();
  const queues = [0, 1].map(() => ({ waiting: new WaitingBytes(pool), model: Buffer.alloc(0) }));
  for (let step = 0; step < STEPS; step++) {
    const name = `seed ${seed}, step ${step}`;
    const queue = queues[prng.nextBelow(2)] as (typeof queues)[0];
    const { waiting, model } = queue;
    const kind = prng.nextBelow(40);
    if (kind === 0) {
      waiting.drop();
      queue.model = Buffer.alloc(0);
    } else if (kind < 15 && model.length < 6 * SLAB_SIZE) {
      const message = Buffer.alloc(prng.nextBelow(2 * SLAB_SIZE), step & 255);
      cursor.resume(message, 0, message.length);
      waiting.append(cursor);
      queue.model = Buffer.concat([model, message]);
    } else if (model.length > 0) {
      waiting.stand(cursor);
      expect(cursor.left, name).toBeGreaterThan(0);
      const bytes = Buffer.alloc(1 + prng.nextBelow(cursor.left));
      cursor.copy(bytes, 0, bytes.length);
      waiting.pass(bytes.length);
      expect(bytes.equals(model.subarray(0, bytes.length)), name).toBe(true);
      queue.model = model.subarray(bytes.length);
    }
    expect(waiting.size, name).toBe(queue.model.length);
  }
  for (const { waiting } of queues) waiting.drop();
  expect(pool.takenCount, `seed ${seed}`).toBe(0);
  expect(exhaustedCount).toBeGreaterThan(0);
});
