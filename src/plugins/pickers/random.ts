/** Picks any candidate, whatever its total: a baseline to compare routing with. */
import type { PluginDefinition } from "../../framework/plugin.ts";
import { type PickerParameters, pickerParameters } from "./picker-parameters.ts";

export const randomPicker: PluginDefinition<PickerParameters> = {
  type: "random-picker",
  stability: "stable",
  summary: "Picks any candidate, each as likely; totals do not count.",
  facets: ["picker"],
  parameters: pickerParameters,
  create: ({ maxNumOfEndpoints }) => ({ picker: { op: "random", targetsMax: maxNumOfEndpoints } }),
};
