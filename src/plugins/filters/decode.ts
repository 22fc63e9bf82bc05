/** Keeps the endpoints that decode. */
import type { PluginDefinition } from "../../framework/plugin.ts";
import { roleFilter } from "./role-filter.ts";

/** An endpoint without a role does everything, so it decodes. */
export const decodeFilter: PluginDefinition = roleFilter({
  type: "decode-filter",
  summary: "Keeps the endpoints that decode, by the label `llm-d.ai/role`, and those without it.",
  roles: ["decode", "prefill-decode", "both", "encode-prefill-decode"],
  keepsUnlabelled: true,
});
