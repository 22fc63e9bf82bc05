import { describe, expect, it } from "vitest";
import { Prng } from "../../../../src/base/prng.ts";
import { probabilisticAdmitter } from "../../../../src/plugins/admitters/probabilistic.ts";
import { poolView, requestView } from "../../../support/plugin-views.ts";
import { createPlugin } from "../../../support/plugins.ts";

type Loads = Parameters<typeof poolView>[0];

/** Whether a request is refused when the drawn number is `drawn`. */
function isRefused(loads: Loads, drawn: number, { priority = -1, parameters = {} } = {}): boolean {
  const { admitter } = createPlugin(probabilisticAdmitter, parameters, { random: () => drawn });
  return admitter?.admit(requestView({}, { priority }), poolView(loads)) !== undefined;
}

// p = min(1, 300 × s^5), s the mean of max(queue / 5, usage / 0.8). Worked out by hand:
//   queue 1, usage 0.08: s = max(0.2, 0.1) = 0.2, p = 300 × 0.00032 = 0.096
//   queue 1 and queue 0: s = (0.2 + 0) / 2 = 0.1, p = 300 × 0.00001 = 0.003
//   usage 0.16: s = 0.2, p = 0.096
//   one unknown: s = 1, p = 1; with an idle one s = 0.5, p = 300 × 0.03125 = 9.375, at most 1
const CASES: readonly { name: string; loads: Loads; probability: number; parameters?: object }[] = [
  { name: "by queue", loads: [[1, 0.08]], probability: 0.096 },
  {
    name: "by the mean of the pool",
    loads: [
      [1, 0],
      [0, 0],
    ],
    probability: 0.003,
  },
  { name: "by KV usage", loads: [[0, 0.16]], probability: 0.096 },
  { name: "an idle pool", loads: [[0, 0]], probability: 0 },
  { name: "a full pool", loads: [[5, 0]], probability: 1 },
  { name: "an endpoint of unknown load is full", loads: [undefined], probability: 1 },
  { name: "half of the pool full", loads: [undefined, [0, 0]], probability: 1 },
  {
    // s = max(3 / 10, 0.2 / 0.5) = 0.4, p = 2 × 0.16.
    name: "with other parameters",
    loads: [[3, 0.2]],
    probability: 0.32,
    parameters: { queueDepthThreshold: 10, kvCacheUtilThreshold: 0.5, power: 2, k: 2 },
  },
];

describe("probabilistic-admitter", () => {
  it.each(CASES)("$name: refused with probability $probability", ({ loads, probability, parameters }) => {
    const options = parameters === undefined ? {} : { parameters };
    // random() is in [0, 1): just below the probability refuses, just above admits.
    const below = Math.max(0, probability - 1e-9);
    const above = Math.min(1 - 1e-9, probability + 1e-9);
    expect(isRefused(loads, below, options)).toBe(probability > 0);
    expect(isRefused(loads, above, options)).toBe(probability === 1);
  });

  it.each([0, 1, 100])("a request of priority %i is never refused", (priority) => {
    expect(isRefused([undefined], 0, { priority })).toBe(false);
  });

  it("an empty pool is left to what comes after", () => {
    expect(isRefused([], 0)).toBe(false);
  });

  it("answers 429 and says that the pool is saturated", () => {
    const { admitter } = createPlugin(probabilisticAdmitter);
    const error = admitter?.admit(requestView({}, { priority: -1 }), poolView([[5, 0]]));
    expect(error).toMatchObject({ code: "ResourceExhausted", httpStatus: 429, droppedReason: "rejected-saturated" });
    expect(error?.message).toBe("sheddable request refused at a saturation of 1.000");
  });

  it("over many draws the share of refusals is the probability", () => {
    const seed = 20_261_131;
    const prng = new Prng(seed);
    const random = (): number => prng.nextU32() / 2 ** 32;
    const { admitter } = createPlugin(probabilisticAdmitter, {}, { random });
    const [request, pool] = [requestView({}, { priority: -1 }), poolView([[1, 0]])];
    const draws = 20_000;
    let refused = 0;
    for (let draw = 0; draw < draws; draw++) if (admitter?.admit(request, pool) !== undefined) refused++;
    // Five standard deviations of a binomial draw of p = 0.096.
    const spread = 5 * Math.sqrt(draws * 0.096 * 0.904);
    expect(Math.abs(refused - draws * 0.096), `seed ${seed}`).toBeLessThan(spread);
  });

  it.each([
    { given: { queueDepthThreshold: 0 }, at: "queueDepthThreshold" },
    { given: { queueDepthThreshold: 2.5 }, at: "queueDepthThreshold" },
    { given: { kvCacheUtilThreshold: 0 }, at: "kvCacheUtilThreshold" },
    { given: { power: 0 }, at: "power" },
    { given: { k: -1 }, at: "k" },
  ])("$given is refused", ({ given, at }) => {
    expect(probabilisticAdmitter.parameters.safeParse(given).error?.issues).toMatchObject([{ path: [at] }]);
  });
});
