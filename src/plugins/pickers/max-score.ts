/** Picks the candidate with the highest total; among equal ones each is as likely. */
import { z } from "zod";
import type { PluginDefinition } from "../../framework/plugin.ts";
import { layout } from "../../wasm/layout.ts";

export interface PickerParameters {
  /**
   * Endpoints in the answer, best first. More than 1 needs a proxy that can fall back; a plain ORIGINAL_DST cluster
   * cannot.
   */
  readonly maxNumOfEndpoints: number;
}

export const maxScorePicker: PluginDefinition<PickerParameters> = {
  facets: ["picker"],
  type: "max-score-picker",
  stability: "stable",
  summary: "Picks the highest total; ties are drawn at random.",
  // As in the Go picker, values below 1 mean 1.
  parameters: z.strictObject({ maxNumOfEndpoints: z.int().max(layout.TARGETS_MAX).default(1) }),
  create: ({ maxNumOfEndpoints }) => ({ picker: { op: "maxScore", targetsMax: Math.max(1, maxNumOfEndpoints) } }),
};
