/** Keeps the endpoints that are meant for encoding images, videos and audio. */
import type { PluginDefinition } from "../../framework/plugin.ts";
import { roleFilter } from "./role-filter.ts";

export const encodeFilter: PluginDefinition = roleFilter({
  type: "encode-filter",
  summary: "Keeps the endpoints that encode, by the label `llm-d.ai/role`.",
  roles: ["encode", "encode-prefill", "encode-prefill-decode"],
  keepsUnlabelled: false,
});
