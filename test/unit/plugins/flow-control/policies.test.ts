/** Flow control does nothing yet, but its policies' parameters are checked as the Go picker checks them. */
import { describe, expect, it } from "vitest";
import { programAwareFairness } from "../../../../src/plugins/flow-control/fairness-policies.ts";
import {
  priorityHoldbackPolicy,
  staticUsageLimitPolicy,
} from "../../../../src/plugins/flow-control/usage-limit-policies.ts";

describe("program-aware-fairness", () => {
  it("has the Go picker's defaults", () => {
    expect(programAwareFairness.parameters.parse({})).toEqual({
      strategy: "las",
      evictionTtlSeconds: 3_600,
      evictionSweepSeconds: 300,
      lasWeightService: 0.8,
      lasWeightHeadWait: 0.2,
      lasHalfLifeSeconds: 60,
    });
  });

  it.each([
    { given: { strategy: "drr" }, at: "strategy" },
    { given: { evictionTtlSeconds: -1 }, at: "evictionTtlSeconds" },
    { given: { evictionSweepSeconds: 0 }, at: "evictionSweepSeconds" },
    { given: { lasWeightService: -0.1 }, at: "lasWeightService" },
    { given: { lasHalfLifeSeconds: -1 }, at: "lasHalfLifeSeconds" },
  ])("$given is refused", ({ given, at }) => {
    expect(programAwareFairness.parameters.safeParse(given).error?.issues).toMatchObject([{ path: [at] }]);
  });
});

describe("static-usage-limit-policy", () => {
  it("limits nothing by default", () => {
    expect(staticUsageLimitPolicy.parameters.parse({})).toEqual({ threshold: 1 });
  });

  it("a negative threshold is refused", () => {
    expect(staticUsageLimitPolicy.parameters.safeParse({ threshold: -1 }).success).toBe(false);
  });
});

describe("priority-holdback-policy", () => {
  it("needs the lowest ceiling only", () => {
    expect(priorityHoldbackPolicy.parameters.parse({ minCeiling: 0 })).toEqual({
      shape: "linear",
      domain: "rank",
      minCeiling: 0,
      maxCeiling: 1,
    });
  });

  it.each([
    { given: {}, at: "minCeiling" },
    { given: { minCeiling: 1 }, at: "minCeiling" },
    { given: { minCeiling: -0.1 }, at: "minCeiling" },
    { given: { minCeiling: 0.5, maxCeiling: 0.5 }, at: "minCeiling" },
    { given: { minCeiling: 0.5, maxCeiling: 1.1 }, at: "maxCeiling" },
    { given: { minCeiling: 0.5, shape: "step" }, at: "shape" },
    { given: { minCeiling: 0.5, domain: "explicit" }, at: "domain" },
  ])("$given is refused", ({ given, at }) => {
    expect(priorityHoldbackPolicy.parameters.safeParse(given).error?.issues[0]).toMatchObject({ path: [at] });
  });
});
