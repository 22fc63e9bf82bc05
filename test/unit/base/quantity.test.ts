import { describe, expect, it } from "vitest";
import { parseQuantity } from "../../../src/base/quantity.ts";

describe("quantities", () => {
  it.each([
    ["0", 0],
    [5000, 5_000],
    ["2000", 2_000],
    ["1k", 1_000],
    ["16M", 16_000_000],
    ["1G", 1_000_000_000],
    ["4Gi", 4_294_967_296],
    ["1.5Ki", 1_536],
    ["0.1k", 100],
    ["1e3", 1_000],
    ["12E", 12e18],
    ["500m", 1],
    ["1500m", 2],
    ["-1Mi", -1_048_576],
    [".5k", 500],
  ])("%s is %d", (text, value) => {
    expect(parseQuantity(text)).toBe(value);
  });

  it.each(["", "Gi", "1 Gi", "1gi", "1KB", "1Kib", "one", "1e", "0x10", "--1"])("%j is no quantity", (text) => {
    expect(parseQuantity(text)).toBeUndefined();
  });
});
