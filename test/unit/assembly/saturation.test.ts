/** How full a pool is, by both detectors; numbers follow the Go picker's definitions of them. */
import { describe, expect, it } from "vitest";
import { DETECTOR_OPS, type KernelProgram } from "../../../src/wasm/policies.ts";
import { type EndpointLoad, endpoint, NOW_MS, STALE_MS, type TestFleet, testFleet } from "../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../support/kernel.ts";

const byUtilization = (...parameters: number[]): KernelProgram => ({ op: DETECTOR_OPS.utilization, parameters });
const byConcurrency = (...parameters: number[]): KernelProgram => ({ op: DETECTOR_OPS.concurrency, parameters });
const DEFAULTS = [5, 0.8, 200, 0] as const;
const REQUESTS = 0;
const TOKENS = 1;
const HYBRID = 2;

function saturationOf(
  build: KernelBuild,
  detector: KernelProgram | undefined,
  endpoints: readonly EndpointLoad[],
  addresses?: readonly string[],
): number {
  const fleet = testFleet(build, endpoints, [], { policy: { detector } });
  return saturation(fleet, addresses);
}

function saturation(fleet: TestFleet, addresses?: readonly string[]): number {
  const { policy } = fleet.request();
  return fleet.shards[0]?.poolSaturation({ policy, addresses }, NOW_MS) ?? Number.NaN;
}

describe.each(KERNEL_BUILDS)("utilization detector (%s build)", (build) => {
  it.each<{ name: string; endpoints: EndpointLoad[]; expected: number }>([
    { name: "an idle endpoint", endpoints: [endpoint()], expected: 0 },
    { name: "a queue at its threshold", endpoints: [endpoint({ queueDepthRequests: 5 })], expected: 1 },
    {
      name: "the fuller of the two counts",
      endpoints: [endpoint({ queueDepthRequests: 1, kvCacheUsageFraction: 0.5 })],
      expected: 0.625,
    },
    { name: "more than full", endpoints: [endpoint({ queueDepthRequests: 20 })], expected: 4 },
    { name: "the mean over endpoints", endpoints: [endpoint(), endpoint({ queueDepthRequests: 5 })], expected: 0.5 },
    { name: "never scraped counts as full", endpoints: [endpoint(), {}], expected: 0.5 },
    { name: "200 ms old is fresh", endpoints: [endpoint({ scrapedAtMs: NOW_MS - 200 })], expected: 0 },
    { name: "older is stale and counts as full", endpoints: [endpoint({ scrapedAtMs: NOW_MS - 201 })], expected: 1 },
    { name: "an unreachable one belongs to the pool", endpoints: [endpoint(), { isReachable: false }], expected: 0.5 },
    { name: "no endpoint", endpoints: [], expected: 1 },
  ])("$name: $expected", ({ endpoints, expected }) => {
    expect(saturationOf(build, byUtilization(...DEFAULTS), endpoints)).toBe(expected);
  });

  it("its own patience counts, also where it is greater than the policy's", () => {
    const old = [endpoint({ scrapedAtMs: NOW_MS - STALE_MS - 1_000 })];
    expect(saturationOf(build, byUtilization(5, 0.8, 10_000, 0), old)).toBe(0);
  });

  it("headroom is for filters: the pool is as full as it is", () => {
    const full = [endpoint({ queueDepthRequests: 5 })];
    expect(saturationOf(build, byUtilization(5, 0.8, 200, 1), full)).toBe(1);
  });

  it("only endpoints that the request may use count", () => {
    const endpoints = [endpoint(), endpoint({ queueDepthRequests: 10 })];
    const detector = byUtilization(...DEFAULTS);
    expect(saturationOf(build, detector, endpoints, ["10.0.0.1"])).toBe(2);
    expect(saturationOf(build, detector, endpoints, ["10.9.9.9"])).toBe(1);
  });
});

describe.each(KERNEL_BUILDS)("concurrency detector (%s build)", (build) => {
  const loads = [
    endpoint({ inFlightRequests: 3, inFlightTokens: 500 }),
    endpoint({ inFlightRequests: 1, inFlightTokens: 1_500 }),
  ];

  it.each([
    { name: "requests over their capacity", mode: REQUESTS, expected: 4 / 8 },
    { name: "tokens over theirs", mode: TOKENS, expected: 2_000 / 2_000 },
    { name: "the mean of the fuller ones", mode: HYBRID, expected: (0.75 + 1.5) / 2 },
  ])("$name: $expected", ({ mode, expected }) => {
    expect(saturationOf(build, byConcurrency(4, 1_000, mode, 0), loads)).toBe(expected);
  });

  it("a pool that is just full is exactly 1, however the load is shared out", () => {
    const shares = [1, 2, 3, 4, 5, 6, 7, 8, 9, 25].map((inFlightRequests) => endpoint({ inFlightRequests }));
    expect(saturationOf(build, byConcurrency(7, 1, REQUESTS, 0), shares)).toBe(1);
  });

  it("stale metrics do not matter", () => {
    const unknown = [{ inFlightRequests: 1 }];
    expect(saturationOf(build, byConcurrency(4, 1, REQUESTS, 0), unknown)).toBe(0.25);
  });

  it("no endpoint: 1", () => {
    expect(saturationOf(build, byConcurrency(4, 1, REQUESTS, 0), [])).toBe(1);
  });

  it("what a pick charges shows at once, and no longer when it is released", () => {
    const fleet = testFleet(build, [endpoint()], [], { policy: { detector: byConcurrency(4, 1, REQUESTS, 0) } });
    const pick = fleet.pick();
    expect(saturation(fleet)).toBe(0.25);
    if (pick !== undefined) fleet.shards[0]?.release(pick);
    expect(saturation(fleet)).toBe(0);
  });
});

describe.each(KERNEL_BUILDS)("saturation (%s build)", (build) => {
  it("is 0 for a policy without a detector", () => {
    expect(saturationOf(build, undefined, [endpoint({ queueDepthRequests: 99 })])).toBe(0);
  });

  it.each([
    { queueDepthRequests: 5, kvCacheUsageFraction: 0.8, expected: (4 / 5 + 0.5 / 0.8 + 1) / 3 },
    { queueDepthRequests: 8, kvCacheUsageFraction: 0.25, expected: (4 / 8 + 0.5 / 0.25 + 1) / 3 },
  ])("mean utilization by thresholds $queueDepthRequests and $kvCacheUsageFraction", ({ expected, ...thresholds }) => {
    const endpoints = [endpoint({ queueDepthRequests: 4 }), endpoint({ kvCacheUsageFraction: 0.5 }), {}];
    const fleet = testFleet(build, endpoints, []);
    const { policy } = fleet.request();
    const mean = fleet.shards[0]?.meanUtilization({ policy }, NOW_MS, thresholds);
    expect(mean).toBeCloseTo(expected, 12);
  });

  it("a limit of one question is not inherited by the next one", () => {
    const detector = byUtilization(...DEFAULTS);
    const fleet = testFleet(build, [endpoint(), endpoint({ queueDepthRequests: 10 })], [], { policy: { detector } });
    expect(saturation(fleet, ["10.0.0.1"])).toBe(2);
    expect(saturation(fleet)).toBe(1);
    expect(fleet.pick()?.candidateCount).toBe(2);
  });
});
