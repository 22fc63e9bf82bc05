/** Keeps the endpoints that are meant for prefill. */
import type { PluginDefinition } from "../../framework/plugin.ts";
import { roleFilter } from "./role-filter.ts";

export const prefillFilter: PluginDefinition = roleFilter({
  type: "prefill-filter",
  summary: "Keeps the endpoints that prefill, by the label `llm-d.ai/role`.",
  roles: ["prefill", "encode-prefill", "prefill-decode", "both", "encode-prefill-decode"],
  keepsUnlabelled: false,
});
