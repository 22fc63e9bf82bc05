/** Prefers endpoints that have the request's LoRA adapter loaded, then those with room for it. */
import { loraAdapters } from "../../framework/attributes.ts";
import { ignoredParameters, warnOfIgnored } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

/**
 * 1 where an adapter of the request's model name runs; 0.8 where active and waiting adapters are fewer than the engine
 * can hold; 0.6 where the adapter waits to be loaded; 0 elsewhere. An engine of which nothing is known scores the mean
 * of the others, or 1 when there is none. Source of the formula: the Go picker's scorer of the same type, where such an
 * engine scores 0.
 */
export const loraAffinityScorer: PluginDefinition = {
  type: "lora-affinity-scorer",
  stability: "stable",
  summary: "Prefers endpoints that have the request's LoRA adapter, then those with room for it.",
  facets: ["scorer"],
  consumes: () => ({ required: [{ key: loraAdapters }] }),
  parameters: ignoredParameters,
  create: (parameters, context) => {
    warnOfIgnored(parameters, context);
    return { scorer: { op: "loraAffinity" } };
  },
};
