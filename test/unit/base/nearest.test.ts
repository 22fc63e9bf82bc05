import { describe, expect, it } from "vitest";
import { nearestName } from "../../../src/base/nearest.ts";

describe("the nearest known name", () => {
  const known = ["queue-scorer", "kv-cache-utilization-scorer", "prefix-cache-scorer", "v"];
  it.each([
    ["queue-scorr", "queue-scorer"],
    ["queu-escorer", "queue-scorer"],
    ["Queue-Scorer", "queue-scorer"],
    ["prefix_cache_scorer", "prefix-cache-scorer"],
  ])("of %s is %s", (name, nearest) => {
    expect(nearestName(name, known)).toBe(nearest);
  });

  it.each(["best-scorer", "", "x"])("there is none for %j", (name) => {
    expect(nearestName(name, ["queue-scorer", "prefix-cache-scorer"])).toBeUndefined();
  });
});
