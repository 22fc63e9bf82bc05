/** The body of `/v1/models`: the base model, then its adapters. */
import type { SimulatorSettings } from "./options.ts";

export function listModels(settings: SimulatorSettings): unknown {
  const created = Math.floor(settings.clock.wallMs() / 1000);
  const entry = (id: string, parent: string | null): unknown => ({
    id,
    object: "model",
    created,
    owned_by: "vllm",
    root: id,
    parent,
    max_model_len: settings.contextTokensMax,
  });
  const adapters = settings.adapters.map((adapter) => entry(adapter, settings.model));
  return { object: "list", data: [entry(settings.model, null), ...adapters] };
}
