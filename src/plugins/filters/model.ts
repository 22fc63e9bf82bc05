/** Keeps the endpoints that serve the request's model. */
import { servedModels } from "../../framework/attributes.ts";
import { type NoParameters, noParameters } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

/**
 * Keeps an endpoint that serves the model, as base model or as adapter, and one whose models are not known. The Go
 * picker has no such filter: its pools serve one base model.
 */
export const modelFilter: PluginDefinition<NoParameters> = {
  type: "model-filter",
  stability: "stable",
  summary: "Keeps the endpoints that serve the request's model or adapter, and those that do not say. Magpie's own.",
  facets: ["filter"],
  consumes: () => ({ required: [{ key: servedModels }] }),
  parameters: noParameters,
  create: () => ({ filter: { op: "servesModel" } }),
};
