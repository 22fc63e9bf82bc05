/** Sends prompts to the endpoints that are meant for their length, as a label says: prefers or demands them. */
import { z } from "zod";
import { promptTokens } from "../../framework/attributes.ts";
import type { Labels } from "../../framework/fleet.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";
import type { ColumnSource } from "../../framework/programs.ts";

export interface ContextLengthAwareParameters {
  /** Label with the range of prompt lengths, in tokens: "0-2048". */
  readonly label: string;
  /** Drop the endpoints whose range does not hold the prompt's length, besides scoring. */
  readonly enableFiltering: boolean;
}

/**
 * L is the prompt's length in tokens, the range min … max, its width max − min.
 *  - in the range: 1 for width 0, else 0.3 + 0.7 × (0.7 / (1 + width / 10000) + 0.3 × (max − L) / width);
 *  - outside of it: 0.3 / (1 + distance / 1000);
 *  - 0.5 without the label, 0 with one that is no range.
 * As a filter it keeps endpoints without the label and those whose range holds L. Source of the formula: the Go
 * picker's plugin of the same type.
 */
export const contextLengthAware: PluginDefinition<ContextLengthAwareParameters> = {
  type: "context-length-aware",
  stability: "stable",
  summary: "Prefers, or with `enableFiltering` demands, endpoints labelled for the prompt's length.",
  facets: ["scorer", "filter"],
  consumes: () => ({ required: [{ key: promptTokens }] }),
  parameters: z.strictObject({
    label: z
      .string()
      .min(1)
      .default("llm-d.ai/context-length-range")
      .meta({ description: 'label with the range of tokens, like "0-2048"' }),
    enableFiltering: z.boolean().default(false).meta({ description: "drop endpoints outside of their range" }),
  }),
  create: ({ label, enableFiltering }) => {
    const program = { op: "contextLength", columns: rangeColumns(label) } as const;
    return enableFiltering ? { scorer: program, filter: program } : { scorer: program };
  },
};

interface ContextRange {
  readonly min: number;
  readonly max: number;
}

/** Of an endpoint without the label. */
const NO_RANGE: ContextRange = { min: Number.NaN, max: Number.NaN };
/** Of an endpoint whose label is no range: nothing is in it, which the kernel knows from max < min. */
const EMPTY_RANGE: ContextRange = { min: 1, max: 0 };

function rangeColumns(label: string): ColumnSource[] {
  return [
    { kind: "labels", name: `${label}/min`, value: (labels) => rangeOf(labels, label).min },
    { kind: "labels", name: `${label}/max`, value: (labels) => rangeOf(labels, label).max },
  ];
}

function rangeOf(labels: Labels, label: string): ContextRange {
  const text = labels[label];
  if (text === undefined) return NO_RANGE;
  const [, low = "", high = ""] = /^\s*\+?(\d+)\s*-\s*\+?(\d+)\s*$/.exec(text) ?? [];
  const [min, max] = [Number(low), Number(high)];
  return low === "" || min > max ? EMPTY_RANGE : { min, max };
}
