/** Which running requests give way to others. Flow control is checked and accepted, and does nothing yet. */
import type { PluginDefinition } from "../../framework/plugin.ts";
import { plainPolicy } from "./plain-policy.ts";

export const sheddableEvictionFilter: PluginDefinition = plainPolicy({
  type: "sheddable-eviction-filter",
  stability: "experimental",
  summary: "Running requests of negative priority may be ended. Accepted, without effect yet.",
  facet: "eviction-policy",
});

export const priorityThenTimeEvictionOrderPolicy: PluginDefinition = plainPolicy({
  type: "priority-then-time-eviction-order-policy",
  stability: "experimental",
  summary: "Ends the lowest priority first, the newest request of it first. Accepted, without effect yet.",
  facet: "eviction-policy",
});
