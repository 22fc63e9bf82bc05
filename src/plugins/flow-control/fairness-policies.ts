/** Which flow of a priority band is served next. Flow control is checked and accepted, and does nothing yet. */
import { z } from "zod";
import type { PluginDefinition } from "../../framework/plugin.ts";
import { plainPolicy } from "./plain-policy.ts";

/** Ignores flows: the best request by the band's order. */
export const globalStrictFairnessPolicy: PluginDefinition = plainPolicy({
  type: "global-strict-fairness-policy",
  stability: "stable",
  summary: "Serves the best request of a band by its order, whatever its flow. Accepted, without effect yet.",
  facet: "fairness-policy",
});

/** Serves the flows in turn. */
export const roundRobinFairnessPolicy: PluginDefinition = plainPolicy({
  type: "round-robin-fairness-policy",
  stability: "stable",
  summary: "Serves the flows of a band in turn. Accepted, without effect yet.",
  facet: "fairness-policy",
});

export interface ProgramAwareFairnessParameters {
  readonly strategy: "las";
  readonly evictionTtlSeconds: number;
  readonly evictionSweepSeconds: number;
  readonly lasWeightService: number;
  readonly lasWeightHeadWait: number;
  readonly lasHalfLifeSeconds: number;
}

/** Serves the flow that has got the least service, tokens of prompts and answers, with its age decaying. */
export const programAwareFairness: PluginDefinition<ProgramAwareFairnessParameters> = {
  type: "program-aware-fairness",
  stability: "stable",
  summary: "Serves the flow that has been given the fewest tokens lately. Accepted, without effect yet.",
  facets: ["fairness-policy"],
  parameters: z.strictObject({
    strategy: z.enum(["las"]).default("las").meta({ description: "least attained service" }),
    evictionTtlSeconds: z.number().min(0).default(3600).meta({ description: "an idle flow is forgotten after it" }),
    evictionSweepSeconds: z.number().positive().default(300).meta({ description: "time between two sweeps" }),
    lasWeightService: z.number().min(0).default(0.8).meta({ description: "weight of the service attained" }),
    lasWeightHeadWait: z.number().min(0).default(0.2).meta({ description: "weight of the first request's wait" }),
    lasHalfLifeSeconds: z.number().min(0).default(60).meta({ description: "service counts half after it" }),
  }),
  create: () => ({}),
};
