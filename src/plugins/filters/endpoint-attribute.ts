/** Keeps the endpoints whose value of a custom metric passes a comparison. */
import { z } from "zod";
import { endpointAttribute } from "../../framework/attribute-keys.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

/** In the order of the kernel's numbers for them. */
const OPERATORS = ["LessThan", "LessThanOrEqual", "GreaterThan", "GreaterThanOrEqual", "Equal"] as const;

export interface EndpointAttributeFilterParameters {
  readonly attribute: string;
  readonly producer: string;
  /** What becomes of an endpoint without the value. */
  readonly onMissing: "Pass" | "Fail";
  /** Keep all when none passes. */
  readonly fallbackOnEmpty: boolean;
  readonly algorithm: {
    readonly type: "threshold";
    readonly threshold: { readonly operator: (typeof OPERATORS)[number]; readonly value: number };
  };
}

/** Source of the rules: the Go picker's filter of the same type. */
export const endpointAttributeFilter: PluginDefinition<EndpointAttributeFilterParameters> = {
  type: "endpoint-attribute-filter",
  stability: "experimental",
  summary: "Keeps the endpoints whose value of a custom metric passes a comparison.",
  facets: ["filter"],
  consumes: ({ attribute, producer }) => ({ required: [{ key: endpointAttribute(attribute), producer }] }),
  parameters: z.strictObject({
    attribute: z.string().min(1).meta({ description: "name of the custom metric" }),
    producer: z.string().min(1).meta({ description: "plugin that supplies it" }),
    onMissing: z.enum(["Pass", "Fail"]).default("Pass").meta({ description: "for endpoints without the metric" }),
    fallbackOnEmpty: z.boolean().default(false).meta({ description: "keep all when none passes" }),
    algorithm: z.strictObject({
      type: z.literal("threshold").meta({ description: "the only one" }),
      threshold: z.strictObject({
        operator: z.enum(OPERATORS).meta({ description: "how the metric compares with the value" }),
        value: z.number().default(0).meta({ description: "what it is compared with" }),
      }),
    }),
  }),
  create: ({ attribute, producer, onMissing, fallbackOnEmpty, algorithm: { threshold } }) => ({
    filter: {
      op: "attribute",
      parameters: [
        OPERATORS.indexOf(threshold.operator),
        threshold.value,
        onMissing === "Pass" ? 1 : 0,
        fallbackOnEmpty ? 1 : 0,
      ],
      columns: [{ kind: "attribute", attribute, producer }],
    },
  }),
};
