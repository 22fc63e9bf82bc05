/** Keeps the endpoints whose load is within limits. */
import { z } from "zod";
import { inFlightLoad, kvCacheUsageFraction, queueDepthRequests, runningRequests } from "../../framework/attributes.ts";
import { producerName } from "../../framework/parameters.ts";
import type { DataNeed, PluginDefinition } from "../../framework/plugin.ts";

const METRICS = ["active-requests", "running-requests", "waiting-queue", "kv-cache-utilization"] as const;

type Metric = (typeof METRICS)[number];

export interface UtilizationFilterParameters {
  readonly conditions: readonly { readonly metric: Metric; readonly maxValue: number }[];
  /** Keep all when none is within the limits. */
  readonly fallbackOnEmpty: boolean;
  readonly inFlightLoadProducerName?: string | undefined;
}

/**
 * Keeps an endpoint when every metric is at most its limit. An unknown metric counts as 0. Source of the rules: the Go
 * picker's filter of the same type.
 */
export const utilizationFilter: PluginDefinition<UtilizationFilterParameters> = {
  type: "utilization-filter",
  stability: "experimental",
  summary: "Keeps the endpoints whose load is within limits.",
  facets: ["filter"],
  consumes: ({ conditions, inFlightLoadProducerName }) => ({
    required: [...new Set(conditions.map(({ metric }) => metric))].map((metric) =>
      needOf(metric, inFlightLoadProducerName),
    ),
  }),
  parameters: z.strictObject({
    conditions: z
      .array(z.strictObject({ metric: z.enum(METRICS), maxValue: z.number().min(0) }))
      .min(1)
      .meta({ description: `metric (${METRICS.join(", ")}) and maxValue, one or more` }),
    fallbackOnEmpty: z.boolean().default(false).meta({ description: "keep all when none is within the limits" }),
    inFlightLoadProducerName: producerName,
  }),
  create: ({ conditions, fallbackOnEmpty }) => {
    const limits = METRICS.map((wanted) =>
      Math.min(...conditions.filter(({ metric }) => metric === wanted).map(({ maxValue }) => maxValue)),
    );
    return { filter: { op: "utilization", parameters: [...limits, fallbackOnEmpty ? 1 : 0] } };
  },
};

function needOf(metric: Metric, producer: string | undefined): DataNeed {
  switch (metric) {
    case "active-requests":
      return { key: inFlightLoad, producer };
    case "running-requests":
      return { key: runningRequests };
    case "waiting-queue":
      return { key: queueDepthRequests };
    case "kv-cache-utilization":
      return { key: kvCacheUsageFraction };
  }
}
