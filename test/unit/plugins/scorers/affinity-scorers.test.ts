/** Scorers by what belongs together, through their definitions: expected scores are worked out by hand. */
import { describe, expect, it } from "vitest";
import { contextLengthAware } from "../../../../src/plugins/scorers/context-length-aware.ts";
import { endpointAttributeScorer } from "../../../../src/plugins/scorers/endpoint-attribute.ts";
import { headerLabelAffinityScorer } from "../../../../src/plugins/scorers/header-label-affinity.ts";
import { loraAffinityScorer } from "../../../../src/plugins/scorers/lora-affinity.ts";
import { sessionAffinityScorer } from "../../../../src/plugins/scorers/session-affinity.ts";
import { endpoint, NOW_MS, unknownEndpoint } from "../../../support/fleet.ts";
import { KERNEL_BUILDS } from "../../../support/kernel.ts";
import { type BedEndpoint, part, pluginBed, promptOfTokens } from "../../../support/plugin-bed.ts";

const labelled = (...labels: (Record<string, string> | undefined)[]): BedEndpoint[] =>
  labels.map((own) => ({ ...endpoint(), labels: own ?? {} }));

const almost = (scores: readonly number[]): unknown[] => scores.map((score) => expect.closeTo(score, 12));

describe.each(KERNEL_BUILDS)("lora-affinity-scorer (%s build)", (build) => {
  const adapters = (running: string[], waiting: string[], loadedMax: number): BedEndpoint => ({
    ...endpoint(),
    adapters: { running, waiting, loadedMax },
  });
  const scoresOf = (endpoints: BedEndpoint[], model = "sql-adapter"): number[] =>
    pluginBed(build, endpoints, { scorers: [part(loraAffinityScorer)] }).scores({ prompt: "p", model });

  it("1 where the adapter runs, 0.8 where there is room, 0.6 where it waits, 0 elsewhere", () => {
    expect(
      scoresOf([
        adapters(["sql-adapter", "b"], [], 2),
        adapters(["b"], ["c"], 3),
        adapters(["b"], ["sql-adapter"], 2),
        adapters(["b", "c"], [], 2),
        adapters([], [], 0),
      ]),
    ).toEqual([1, 0.8, 0.6, 0, 0]);
  });

  it("room counts before waiting, running before both", () => {
    expect(scoresOf([adapters([], ["sql-adapter"], 4), adapters(["sql-adapter"], [], 4)])).toEqual([0.8, 1]);
  });

  it("the base model is no adapter: it goes where there is room", () => {
    const endpoints = [adapters(["sql-adapter"], [], 1), adapters(["sql-adapter"], [], 2)];
    expect(scoresOf(endpoints, "base")).toEqual([0, 0.8]);
  });

  it("an engine that says nothing of adapters scores the mean of the others", () => {
    expect(scoresOf([adapters(["sql-adapter"], [], 1), adapters(["b"], [], 1), endpoint()])).toEqual([1, 0, 0.5]);
  });

  it("where no engine does, all are alike", () => {
    const [first, second, third] = scoresOf([endpoint(), unknownEndpoint, endpoint()]);
    expect([second, third]).toEqual([first, first]);
  });
});

describe.each(KERNEL_BUILDS)("context-length-aware (%s build)", (build) => {
  const range = (...texts: (string | undefined)[]): BedEndpoint[] =>
    labelled(...texts.map((text) => (text === undefined ? undefined : { "llm-d.ai/context-length-range": text })));
  const scoresOf = (tokens: number, endpoints: BedEndpoint[], parameters = {}): number[] =>
    pluginBed(build, endpoints, { scorers: [part(contextLengthAware, parameters)] }).scores({
      prompt: promptOfTokens(tokens),
    });

  it.each([
    // In range: 0.3 + 0.7 × (0.7 / (1 + width / 10000) + 0.3 × (max − L) / width), L = 1000.
    // Width 10000: 0.3 + 0.7 × (0.35 + 0.3 × 0.9) = 0.734. Width 2500: 0.3 + 0.7 × (0.56 + 0.3 × 0.4) = 0.776.
    { name: "in range", tokens: 1_000, texts: ["0-10000", "-", "1000-1000"], scores: [0.734, 0, 1] },
    { name: "a narrower range", tokens: 1_500, texts: ["0-2500"], scores: [0.776] },
    // At the lower end all of it is headroom: 0.3 + 0.7 × (0.35 + 0.3) = 0.755.
    { name: "at the lower end", tokens: 1_000, texts: ["1000-11000"], scores: [0.755] },
    // At the upper end there is no headroom: width 1000: 0.3 + 0.7 × 0.7 / 1.1.
    { name: "at the upper end", tokens: 1_000, texts: ["0-1000"], scores: [0.3 + 0.49 / 1.1] },
    // Outside: 0.3 / (1 + distance / 1000): 1000 tokens below, 500 above, 1 above.
    { name: "outside", tokens: 1_000, texts: ["2000-4000", "0-500", "0-999"], scores: [0.15, 0.2, 0.3 / 1.001] },
    {
      name: "without a label, and with one that is no range",
      tokens: 1_000,
      texts: [undefined, "long"],
      scores: [0.5, 0],
    },
  ])("$name", ({ tokens, texts, scores }) => {
    expect(scoresOf(tokens, range(...texts))).toEqual(almost(scores));
  });

  it("a request without a prompt has no length", () => {
    const bed = pluginBed(build, range("0-100", "1000-2000", "0-0"), { scorers: [part(contextLengthAware)] });
    // Width 100, L 0: 0.3 + 0.7 × (0.7 / 1.01 + 0.3). Distance 1000: 0.3 / 2.
    expect(bed.scores()).toEqual(almost([0.3 + 0.7 * (0.7 / 1.01 + 0.3), 0.15, 1]));
  });

  it("another label can say it", () => {
    const endpoints = labelled({ tokens: "0-10000" }, { "llm-d.ai/context-length-range": "0-10000" });
    expect(scoresOf(1_000, endpoints, { label: "tokens" })).toEqual(almost([0.734, 0.5]));
  });
});

describe.each(KERNEL_BUILDS)("header-label-affinity-scorer (%s build)", (build) => {
  const endpoints = labelled({ tier: "gold" }, { tier: "silver" }, undefined, { tier: "gold" });
  const bed = pluginBed(build, endpoints, {
    scorers: [part(headerLabelAffinityScorer, { headerName: "x-tier", labelKey: "tier" })],
  });

  it.each([
    { headers: { "x-tier": "gold" }, scores: [1, 0, 0, 1] },
    { headers: { "x-tier": "lead" }, scores: [0, 0, 0, 0] },
    { headers: {}, scores: [0, 0, 0, 0] },
  ])("$headers: $scores", ({ headers, scores }) => {
    expect(bed.scores({ headers })).toEqual(scores);
  });
});

describe.each(KERNEL_BUILDS)("endpoint-attribute-scorer (%s build)", (build) => {
  const values = (...temperatures: (number | undefined)[]): BedEndpoint[] =>
    temperatures.map((temperature) => ({
      ...endpoint(),
      attributes: temperature === undefined ? {} : { temperature },
    }));
  const scoresOf = (endpoints: BedEndpoint[], type: string, normalization: object = {}): number[] => {
    const algorithm = { type, normalization };
    const scorer = part(endpointAttributeScorer, { attributeKey: "temperature", producer: "extractor", algorithm });
    return pluginBed(build, endpoints, { scorers: [scorer] }).scores();
  };
  const lower = "linear_lower_is_better";
  const higher = "linear_higher_is_better";

  it.each([
    { name: "lower is better, by the candidates' range", type: lower, given: [10, 20, 50], scores: [1, 0.75, 0] },
    { name: "higher is better", type: higher, given: [10, 20, 50], scores: [0, 0.25, 1] },
    { name: "below 0 as well", type: lower, given: [-10, 0, 10], scores: [1, 0.5, 0] },
    { name: "equal values score 1", type: lower, given: [7, 7], scores: [1, 1] },
    { name: "one value scores 1", type: higher, given: [7], scores: [1] },
    {
      name: "a missing value scores 0 and does not count for the range",
      type: lower,
      given: [4, undefined, 8],
      scores: [1, 0, 0],
    },
    { name: "no value at all scores 0", type: higher, given: [undefined, undefined], scores: [0, 0] },
  ])("$name", ({ type, given, scores }) => {
    expect(scoresOf(values(...given), type)).toEqual(scores);
  });

  it.each([
    { name: "lower is better in a fixed range", type: lower, scores: [1, 1, 0.75, 0, 0, 0] },
    { name: "higher is better in a fixed range", type: higher, scores: [0, 0, 0.25, 1, 1, 0] },
  ])("$name, clamped at its ends", ({ type, scores }) => {
    const endpoints = values(-50, 10, 20, 50, 1_000, undefined);
    expect(scoresOf(endpoints, type, { fixedRange: { min: 10, max: 50 } })).toEqual(scores);
  });
});

describe.each(KERNEL_BUILDS)("session-affinity-scorer (%s build)", (build) => {
  const three = [endpoint(), endpoint(), endpoint()];
  /** Standard base64 of default/server-1. */
  const TOKEN = "ZGVmYXVsdC9zZXJ2ZXItMQ==";

  it.each([
    { name: "the token's endpoint", headers: { "x-session-token": TOKEN }, scores: [0, 1, 0] },
    { name: "a token of nobody", headers: { "x-session-token": "bm9ib2R5" }, scores: [0, 0, 0] },
    { name: "no token", headers: {}, scores: [0, 0, 0] },
  ])("$name: $scores", ({ headers, scores }) => {
    expect(pluginBed(build, three, { scorers: [part(sessionAffinityScorer)] }).scores({ headers })).toEqual(scores);
  });

  const byId = part(sessionAffinityScorer, {
    strategy: "session_id",
    sessionIdConfig: { evictionTtlSeconds: 60 },
  });
  const alice = { "x-session-id": "alice" };

  it("the first request of a session binds it, and it stays where it is", () => {
    const bed = pluginBed(build, three, { scorers: [byId] });
    expect(bed.scores({ headers: alice })).toEqual([0, 0, 0]);
    const bound = bed.scores({ headers: alice });
    expect(bound.toSorted()).toEqual([0, 0, 1]);
    for (let seed = 0; seed < 20; seed++) expect(bed.scores({ headers: alice, seed })).toEqual(bound);
  });

  it("sessions do not share bindings, and requests without one have none", () => {
    const bed = pluginBed(build, three, { scorers: [byId] });
    bed.scores({ headers: alice });
    expect(bed.scores({ headers: { "x-session-id": "bob" } })).toEqual([0, 0, 0]);
    expect(bed.scores({})).toEqual([0, 0, 0]);
    expect(bed.scores({ headers: { "x-session-id": " " } })).toEqual([0, 0, 0]);
  });

  it("a session that was silent for longer than its time is bound anew", () => {
    const bed = pluginBed(build, three, { scorers: [byId] });
    bed.scores({ headers: alice });
    expect(bed.scores({ headers: alice, nowMs: NOW_MS + 59_000 }).toSorted()).toEqual([0, 0, 1]);
    // The request before renewed the binding.
    expect(bed.scores({ headers: alice, nowMs: NOW_MS + 118_000 }).toSorted()).toEqual([0, 0, 1]);
    expect(bed.scores({ headers: alice, nowMs: NOW_MS + 180_000 })).toEqual([0, 0, 0]);
  });

  it("a session whose endpoint is gone is bound anew", () => {
    const bed = pluginBed(build, three, { scorers: [byId] });
    bed.scores({ headers: alice });
    const slot = bed.scores({ headers: alice }).indexOf(1);
    bed.fleet.columns.remove(slot);
    expect(bed.scores({ headers: alice })).toEqual([0, 0]);
    expect(bed.scores({ headers: alice }).toSorted()).toEqual([0, 1]);
  });
});
