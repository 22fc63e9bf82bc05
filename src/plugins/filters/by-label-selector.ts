/** The old name of `label-selector-filter`. */
import type { LabelSelector } from "../../framework/label-selector.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";
import { labelSelectorFilter } from "./label-selector.ts";

export const byLabelSelectorFilter: PluginDefinition<LabelSelector> = {
  ...labelSelectorFilter,
  type: "by-label-selector",
  stability: "deprecated",
  summary: "Old name of `label-selector-filter`.",
};
