/** Which request of a flow is served next. Flow control is checked and accepted, and does nothing yet. */
import type { PluginDefinition } from "../../framework/plugin.ts";
import { plainPolicy } from "./plain-policy.ts";

export const fcfsOrderingPolicy: PluginDefinition = plainPolicy({
  type: "fcfs-ordering-policy",
  stability: "stable",
  summary: "First come, first served. Accepted, without effect yet.",
  facet: "ordering-policy",
});

export const edfOrderingPolicy: PluginDefinition = plainPolicy({
  type: "edf-ordering-policy",
  stability: "stable",
  summary: "Serves the request first whose time in the queue ends first. Accepted, without effect yet.",
  facet: "ordering-policy",
});

export const sloDeadlineOrderingPolicy: PluginDefinition = plainPolicy({
  type: "slo-deadline-ordering-policy",
  stability: "stable",
  summary: "Serves the request first whose `x-llm-d-slo-ttft-ms` ends first. Accepted, without effect yet.",
  facet: "ordering-policy",
});
