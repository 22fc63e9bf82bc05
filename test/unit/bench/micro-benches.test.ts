/** Every micro bench in its small size: the cases run, and kernel and baseline agree. The figures mean nothing here. */
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { formatRecord, runMicroBench } from "../../../bench/harness.ts";
import { loadMicroBenches } from "../../../bench/micro-benches.ts";

const SEED = 20_261_101;
const benches = await loadMicroBenches();

it("there is a micro bench in each file of bench/micro", () => {
  const files = readdirSync("bench/micro").filter((file) => file.endsWith(".bench.ts"));
  expect(benches.map(({ name }) => `${name}.bench.ts`)).toEqual(files.sort());
  expect(benches.length).toBeGreaterThan(0);
});

it("an unknown name is refused with the known ones", async () => {
  await expect(loadMicroBenches(["no-such-bench"])).rejects.toThrow("known: ");
});

describe.each(benches)("$name", (bench) => {
  it(`every case gives samples and a hash of the common result (seed ${SEED})`, async () => {
    const record = await runMicroBench(bench, "small", SEED);
    expect(record.cases.length).toBeGreaterThan(0);
    for (const { label, kernel, baseline, resultHash } of record.cases) {
      expect(kernel.samples, `${label}: kernel samples`).toBeGreaterThan(0);
      expect(baseline.samples, `${label}: baseline samples`).toBeGreaterThan(0);
      expect(kernel.p50Ns, `${label}: kernel time`).toBeGreaterThan(0);
      expect(resultHash, `${label}: result hash`).not.toBe("");
    }
    expect(formatRecord(record).split("\n")).toHaveLength(record.cases.length + 4);
  });

  it("the same seed gives the same results", async () => {
    const hashes = (): Promise<string[]> =>
      Promise.all(bench.cases("small", SEED).map(async (benchCase) => await benchCase.check()));
    expect(await hashes()).toEqual(await hashes());
  });
});
