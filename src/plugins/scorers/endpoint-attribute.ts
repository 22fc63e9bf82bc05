/** Prefers endpoints with a low, or a high, value of a custom metric. */
import { z } from "zod";
import { endpointAttribute } from "../../framework/attribute-keys.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface EndpointAttributeScorerParameters {
  readonly attributeKey: string;
  readonly producer: string;
  readonly algorithm: {
    readonly type: "linear_lower_is_better" | "linear_higher_is_better";
    readonly normalization: {
      readonly fixedRange?: { readonly min: number; readonly max: number } | undefined;
      readonly adaptiveRange?: Record<string, never> | undefined;
    };
  };
}

const normalization: z.ZodType<EndpointAttributeScorerParameters["algorithm"]["normalization"]> = z
  .strictObject({
    fixedRange: z
      .strictObject({
        min: z.number().default(0).meta({ description: "value at one end" }),
        max: z.number().default(0).meta({ description: "value at the other end, above min" }),
      })
      .refine(({ min, max }) => min < max, "min must be below max")
      .optional(),
    adaptiveRange: z.strictObject({}).optional().meta({ description: "the default: from the candidates' values" }),
  })
  .refine(({ fixedRange, adaptiveRange }) => fixedRange === undefined || adaptiveRange === undefined, {
    error: "takes fixedRange or adaptiveRange, not both",
  })
  .default({});

/**
 * The place of the value in the range, 0 at its bad end and 1 at its good one: a fixed range, beyond which nothing
 * changes, or from the least to the greatest value among the candidates, where equal values score 1. A missing value
 * scores 0. Source of the formula: the Go picker's scorer of the same type.
 */
export const endpointAttributeScorer: PluginDefinition<EndpointAttributeScorerParameters> = {
  type: "endpoint-attribute-scorer",
  stability: "experimental",
  summary: "Prefers endpoints with a low, or a high, value of a custom metric.",
  facets: ["scorer"],
  consumes: ({ attributeKey, producer }) => ({ required: [{ key: endpointAttribute(attributeKey), producer }] }),
  parameters: z.strictObject({
    attributeKey: z.string().min(1).meta({ description: "name of the custom metric" }),
    producer: z.string().min(1).meta({ description: "plugin that supplies it" }),
    algorithm: z.strictObject({
      type: z
        .enum(["linear_lower_is_better", "linear_higher_is_better"])
        .meta({ description: "which end of the range scores 1" }),
      normalization,
    }),
  }),
  create: ({ attributeKey: attribute, producer, algorithm }) => {
    const { fixedRange } = algorithm.normalization;
    const isHigherBetter = algorithm.type === "linear_higher_is_better" ? 1 : 0;
    const range = fixedRange === undefined ? [0, 0, 0] : [1, fixedRange.min, fixedRange.max];
    return {
      scorer: {
        op: "attribute",
        parameters: [isHigherBetter, ...range],
        columns: [{ kind: "attribute", attribute, producer }],
      },
    };
  },
};
