/** Picks the candidate with the highest total; among equal ones each is as likely. */
import type { PluginDefinition } from "../../framework/plugin.ts";
import { type PickerParameters, pickerParameters } from "./picker-parameters.ts";

export const maxScorePicker: PluginDefinition<PickerParameters> = {
  type: "max-score-picker",
  stability: "stable",
  summary: "Picks the highest total; ties are drawn at random.",
  facets: ["picker"],
  parameters: pickerParameters,
  create: ({ maxNumOfEndpoints }) => ({ picker: { op: "maxScore", targetsMax: maxNumOfEndpoints } }),
};
