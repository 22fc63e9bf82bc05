/** Keeps the endpoints whose metrics arrive. */
import { type NoParameters, noParameters } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

/**
 * Keeps the endpoints that can be reached and whose metrics are fresh; all, when there is none such: a picker that is
 * blind still routes. The Go picker has no such filter.
 */
export const healthFilter: PluginDefinition<NoParameters> = {
  type: "health-filter",
  stability: "stable",
  summary: "Keeps the endpoints that are reachable and whose metrics are fresh; none such: all. Magpie's own.",
  facets: ["filter"],
  parameters: noParameters,
  create: () => ({ filter: { op: "healthy" } }),
};
