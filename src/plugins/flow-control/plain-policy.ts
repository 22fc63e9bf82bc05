/** Policies of flow control that take no parameters: accepted, so that configurations of the Go picker can be read. */
import { ignoredParameters, warnOfIgnored } from "../../framework/parameters.ts";
import type { Facet, PluginDefinition, Stability } from "../../framework/plugin.ts";

export interface PlainPolicy {
  readonly type: string;
  readonly stability: Stability;
  readonly summary: string;
  readonly facet: Facet;
}

export function plainPolicy({ type, stability, summary, facet }: PlainPolicy): PluginDefinition {
  return {
    type,
    stability,
    summary,
    facets: [facet],
    parameters: ignoredParameters,
    create: (parameters, context) => {
      warnOfIgnored(parameters, context);
      return {};
    },
  };
}
