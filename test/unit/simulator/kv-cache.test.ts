import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { KvCache, type KvClaim } from "../../../src/simulator/kv-cache.ts";

/** Claims a place that must be there. */
function claim(cache: KvCache, hashes: readonly string[], totalBlocks: number = hashes.length): KvClaim {
  const claimed = cache.claim(hashes, totalBlocks);
  if (claimed === undefined) throw new Error("the claim was refused");
  return claimed;
}

/** Uses and leaves behind a sequence of blocks. */
function visit(cache: KvCache, ...hashes: readonly string[]): void {
  cache.release(claim(cache, hashes), []);
}

function held(cache: KvCache, ...hashes: readonly string[]): string {
  return hashes.filter((hash) => cache.has(hash)).join(" ");
}

describe("finding", () => {
  test("blocks that an earlier request left are found, from the start", () => {
    const cache = new KvCache(8);
    visit(cache, "a", "ab", "abc");
    expect(claim(cache, ["a", "ab", "abX"]).foundBlocks).toBe(2);
  });

  test("blocks of a running request are found and count once", () => {
    const cache = new KvCache(8);
    claim(cache, ["a", "ab"]);
    expect(claim(cache, ["a", "ab", "abc"]).foundBlocks).toBe(2);
    expect(cache.usedBlocks).toBe(3);
  });

  test("whole blocks of a reply are found by the next request", () => {
    const cache = new KvCache(8);
    const first = claim(cache, ["a"], 4);
    cache.use(first, 3);
    cache.release(first, ["ar", "ars"]);
    expect(cache.findableBlocks).toBe(3);
    expect(claim(cache, ["a", "ar", "ars", "arsq"]).foundBlocks).toBe(3);
  });
});

describe("usage", () => {
  test("counts what running requests use by now, neither what they may come to use nor what was left behind", () => {
    const cache = new KvCache(10);
    visit(cache, "z", "zy");
    const running = claim(cache, ["a"], 5);
    expect(cache.usageFraction).toBe(0.1);
    cache.use(running, 4);
    expect(cache.usageFraction).toBe(0.4);
    cache.release(running, []);
    expect(cache.usageFraction).toBe(0);
  });

  test("a claim is refused when what the running ones may come to use leaves too little", () => {
    const cache = new KvCache(10);
    const running = claim(cache, ["a"], 8);
    expect(cache.claim(["b"], 3)).toBeUndefined();
    expect(cache.claim(["a", "ab", "abc"], 3)).toBeDefined();
    cache.release(running, []);
    expect(cache.claim(["b"], 3)).toBeDefined();
  });

  test("more blocks than were claimed are refused", () => {
    const cache = new KvCache(10);
    const running = claim(cache, ["a"], 3);
    expect(() => cache.use(running, 4)).toThrow("more blocks than it claimed");
  });
});

describe("eviction", () => {
  test("the least recently used sequence goes first, its last block before its first", () => {
    const cache = new KvCache(6);
    visit(cache, "a", "ab", "abc");
    visit(cache, "x", "xy", "xyz");
    visit(cache, "1");
    expect(held(cache, "a", "ab", "abc", "x", "xy", "xyz", "1")).toBe("a ab x xy xyz 1");
    visit(cache, "1", "12", "123");
    expect(held(cache, "a", "ab", "abc", "x", "xy", "xyz", "1", "12", "123")).toBe("x xy xyz 1 12 123");
  });

  test("using a sequence again makes it the last to go", () => {
    const cache = new KvCache(4);
    visit(cache, "a", "ab");
    visit(cache, "x", "xy");
    visit(cache, "a", "ab");
    visit(cache, "1", "12");
    expect(held(cache, "a", "ab", "x", "xy", "1", "12")).toBe("a ab 1 12");
  });

  test("a shared start outlives the branch that was used less recently", () => {
    const cache = new KvCache(5);
    visit(cache, "a", "ab", "abc");
    visit(cache, "a", "ab", "abX");
    visit(cache, "1", "12");
    expect(held(cache, "a", "ab", "abc", "abX", "1", "12")).toBe("a ab abX 1 12");
  });

  test("blocks of running requests are never evicted", () => {
    const cache = new KvCache(3);
    claim(cache, ["a", "ab"]);
    visit(cache, "x");
    visit(cache, "y");
    expect(held(cache, "a", "ab", "x", "y")).toBe("a ab y");
    expect(cache.claim(["x", "xy"], 2)).toBeUndefined();
  });

  test("left-behind blocks stay until their place is really needed", () => {
    const cache = new KvCache(4);
    visit(cache, "a", "ab");
    const running = claim(cache, ["x"], 4);
    expect(held(cache, "a", "ab")).toBe("a ab");
    cache.use(running, 3);
    expect(held(cache, "a", "ab")).toBe("a");
  });
});

// Strategy: random claims, growth and releases over a small tree of blocks (path "021" is child 1 of child 2 of child
// 0), so that sharing, refusal and eviction all happen. After each step the books are compared with the live claims,
// and every findable block must have its parent.
test("random use keeps the books and never leaves a block without its parent", () => {
  const seed = 77;
  const steps = 4000;
  const prng = new Prng(seed);
  const cache = new KvCache(24);
  const live: KvClaim[] = [];
  const outcomes = { claimed: 0, refused: 0, found: 0 };
  const known = new Set<string>();
  for (let step = 0; step < steps; step++) {
    const choice = prng.nextBelow(3);
    if (choice === 0) {
      const path = randomPath(prng);
      const claimed = cache.claim(path, path.length + prng.nextBelow(6));
      if (claimed === undefined) outcomes.refused++;
      else {
        outcomes.claimed++;
        outcomes.found += claimed.foundBlocks;
        live.push(claimed);
      }
      for (const hash of path) known.add(hash);
    } else if (live.length > 0) {
      const [picked] = live.splice(prng.nextBelow(live.length), 1) as [KvClaim];
      const room = picked.unnamedBlocksMax - picked.unnamedBlocks;
      cache.use(picked, picked.promptHashes.length + picked.unnamedBlocks + prng.nextBelow(room + 1));
      if (choice === 1) live.push(picked);
      else {
        const reply = extend(picked.promptHashes.at(-1) ?? "", prng.nextBelow(picked.unnamedBlocks + 1), prng);
        for (const hash of reply) known.add(hash);
        cache.release(picked, reply);
      }
    }
    const where = `seed ${seed}, step ${step}`;
    const pinned = new Set(live.flatMap((claimed) => claimed.promptHashes));
    const unnamed = live.reduce((sum, claimed) => sum + claimed.unnamedBlocks, 0);
    expect(cache.usedBlocks, where).toBe(pinned.size + unnamed);
    expect(cache.findableBlocks + unnamed, where).toBeLessThanOrEqual(cache.capacityBlocks);
    const findable = [...known].filter((hash) => cache.has(hash));
    expect(findable.length, where).toBe(cache.findableBlocks);
    const orphans = findable.filter((hash) => hash.length > 1 && !cache.has(hash.slice(0, -1)));
    expect(orphans, where).toEqual([]);
  }
  // The walk was not trivial.
  expect(Math.min(outcomes.claimed, outcomes.refused, outcomes.found)).toBeGreaterThan(100);
});

function randomPath(prng: Prng): string[] {
  return extend("", 1 + prng.nextBelow(6), prng);
}

function extend(parent: string, blockCount: number, prng: Prng): string[] {
  const path: string[] = [];
  for (let index = 0; index < blockCount; index++) path.push((path.at(-1) ?? parent) + prng.nextBelow(2));
  return path;
}
