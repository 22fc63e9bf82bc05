/** Keeps the endpoints of which one label has one of some values. */
import { z } from "zod";
import { ownLabel } from "../../framework/label-selector.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface ByLabelParameters {
  readonly label: string;
  readonly validValues: readonly string[];
  /** Keep endpoints without the label as well. */
  readonly allowsNoLabel: boolean;
}

/** A missing label counts as an empty one when the empty value is in the list, as in the Go picker. */
export const byLabelFilter: PluginDefinition<ByLabelParameters> = {
  type: "by-label",
  stability: "deprecated",
  summary: "Keeps the endpoints whose label has one of some values. Use `label-selector-filter`.",
  facets: ["filter"],
  parameters: z
    .strictObject({
      label: z.string().min(1).meta({ description: "name of the label" }),
      validValues: z.array(z.string()).default([]).meta({ description: "values that are kept" }),
      allowsNoLabel: z.boolean().default(false).meta({ description: "keep endpoints without the label" }),
    })
    .refine(({ validValues, allowsNoLabel }) => validValues.length > 0 || allowsNoLabel, {
      path: ["validValues"],
      error: "must have a value, or no endpoint is ever kept",
    }),
  create: ({ label, validValues, allowsNoLabel }) => {
    const values = new Set(validValues);
    return {
      filter: {
        op: "labels",
        labelMask: (labels) => {
          const value = ownLabel(labels, label);
          return (value === undefined && allowsNoLabel) || values.has(value ?? "");
        },
      },
    };
  },
};
