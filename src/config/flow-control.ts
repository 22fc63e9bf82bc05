/** The flow control section: checked in full and made explicit. */
import type { ConfigPath, FlowControlConfig, PriorityBandConfig } from "./config.ts";
import { BAND_BYTES_MAX, BAND_REQUESTS_MAX, DEFAULT_TYPES, REQUEST_TTL_MS } from "./defaults.ts";
import type { InstanceTable } from "./instance-table.ts";
import type { BandDocument, FlowControlDocument } from "./schema.ts";

export function readFlowControl(table: InstanceTable, given: FlowControlDocument): FlowControlConfig {
  const path: ConfigPath = ["flowControl"];
  const positive = readBand(table, given.defaultPriorityBand ?? {}, [...path, "defaultPriorityBand"]);
  const negative = readBand(table, given.defaultNegativePriorityBand ?? {}, [...path, "defaultNegativePriorityBand"]);
  const seen = new Map<number, number>();
  const bands = (given.priorityBands ?? []).map((band, index) => {
    const place: ConfigPath = [...path, "priorityBands", index];
    const earlier = seen.get(band.priority);
    if (earlier !== undefined) {
      table.fail([...place, "priority"], `${band.priority} is the priority of priorityBands[${earlier}], too`);
    }
    seen.set(band.priority, index);
    return { priority: band.priority, ...readBand(table, band, place) };
  });
  const requestTtlMs = given.defaultRequestTTL ?? REQUEST_TTL_MS;
  const { usageLimitPolicyPluginRef: policy } = given;
  return {
    bytesMax: given.maxBytes || undefined,
    requestsMax: given.maxRequests || undefined,
    requestTtlMs,
    noEndpointRequestTtlMs: given.noEndpointRequestTTL ?? requestTtlMs,
    defaultPriorityBand: positive,
    defaultNegativePriorityBand: negative,
    priorityBands: bands,
    usageLimitPolicy:
      policy === undefined
        ? table.ensure(DEFAULT_TYPES.usageLimitPolicy, "no usage limit policy is given: all priorities may use all")
        : table.refer([...path, "usageLimitPolicyPluginRef"], policy, ["usage-limit-policy"], true),
    enableEviction: given.enableEviction ?? false,
  };
}

function readBand(table: InstanceTable, band: BandDocument, path: ConfigPath): PriorityBandConfig {
  const { fairnessPolicyRef: fairness, orderingPolicyRef: ordering } = band;
  return {
    bytesMax: band.maxBytes ?? BAND_BYTES_MAX,
    requestsMax: band.maxRequests ?? BAND_REQUESTS_MAX,
    fairnessPolicy:
      fairness === undefined
        ? table.ensure(DEFAULT_TYPES.fairnessPolicy, "no fairness policy is given: the best head of all queues")
        : table.refer([...path, "fairnessPolicyRef"], fairness, ["fairness-policy"], true),
    orderingPolicy:
      ordering === undefined
        ? table.ensure(DEFAULT_TYPES.orderingPolicy, "no ordering policy is given: first come, first served")
        : table.refer([...path, "orderingPolicyRef"], ordering, ["ordering-policy"], true),
  };
}
