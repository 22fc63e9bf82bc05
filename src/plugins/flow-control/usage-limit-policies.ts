/** Up to which saturation each priority band is served. Flow control is checked and accepted, and does nothing yet. */
import { z } from "zod";
import type { PluginDefinition } from "../../framework/plugin.ts";
import { plainPolicy } from "./plain-policy.ts";

export interface StaticUsageLimitParameters {
  readonly threshold: number;
}

export const staticUsageLimitPolicy: PluginDefinition<StaticUsageLimitParameters> = {
  type: "static-usage-limit-policy",
  stability: "stable",
  summary: "The same ceiling for every band. Accepted, without effect yet.",
  facets: ["usage-limit-policy"],
  parameters: z.strictObject({
    threshold: z.number().min(0).default(1).meta({ description: "saturation from which nothing is served" }),
  }),
  create: () => ({}),
};

export interface PriorityHoldbackParameters {
  readonly shape: "linear";
  readonly domain: "rank" | "value";
  readonly minCeiling: number;
  readonly maxCeiling: number;
}

/** The highest band has the highest ceiling, the lowest the lowest, those between by rank or by priority. */
export const priorityHoldbackPolicy: PluginDefinition<PriorityHoldbackParameters> = {
  type: "priority-holdback-policy",
  stability: "experimental",
  summary: "Lower ceilings for lower bands. Accepted, without effect yet.",
  facets: ["usage-limit-policy"],
  parameters: z
    .strictObject({
      shape: z.enum(["linear"]).default("linear").meta({ description: "how ceilings fall" }),
      domain: z.enum(["rank", "value"]).default("rank").meta({ description: "by a band's rank, or its priority" }),
      minCeiling: z.number().min(0).lt(1).meta({ description: "of the lowest band; required" }),
      maxCeiling: z.number().positive().max(1).default(1).meta({ description: "of the highest band" }),
    })
    .refine(({ minCeiling, maxCeiling }) => minCeiling < maxCeiling, {
      path: ["minCeiling"],
      error: "must be below maxCeiling",
    }),
  create: () => ({}),
};

export const softReflectiveCeilingPolicy: PluginDefinition = plainPolicy({
  type: "soft-reflective-ceiling-policy",
  stability: "experimental",
  summary: "Serves lower bands more seldom as the pool fills. Accepted, without effect yet.",
  facet: "usage-limit-policy",
});
