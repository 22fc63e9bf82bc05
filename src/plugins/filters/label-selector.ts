/** Keeps the endpoints whose labels match a Kubernetes label selector. */
import { type LabelSelector, labelMatcher, labelSelector } from "../../framework/label-selector.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

/** An empty selector keeps everything. */
export const labelSelectorFilter: PluginDefinition<LabelSelector> = {
  type: "label-selector-filter",
  stability: "stable",
  summary: "Keeps the endpoints whose labels match a Kubernetes label selector.",
  facets: ["filter"],
  parameters: labelSelector,
  create: (selector) => ({ filter: { op: "labels", labelMask: labelMatcher(selector) } }),
};
