/** Picks by lot, a candidate's chance in proportion to its total: spreads load and still follows the scores. */
import type { PluginDefinition } from "../../framework/plugin.ts";
import { type PickerParameters, pickerParameters } from "./picker-parameters.ts";

/**
 * Sampling without replacement by Efraimidis and Spirakis (A-Res): each candidate draws U^(1/total), the largest win.
 * Totals of 0 or less are taken last; when there are only such, each is as likely.
 */
export const weightedRandomPicker: PluginDefinition<PickerParameters> = {
  type: "weighted-random-picker",
  stability: "stable",
  summary: "Picks at random, in proportion to the totals.",
  facets: ["picker"],
  parameters: pickerParameters,
  create: ({ maxNumOfEndpoints }) => ({ picker: { op: "weightedRandom", targetsMax: maxNumOfEndpoints } }),
};
