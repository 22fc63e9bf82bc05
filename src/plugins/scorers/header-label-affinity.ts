/** Prefers endpoints with a label whose value is what a header of the request says. */
import { z } from "zod";
import type { FleetEndpoint, FleetView } from "../../framework/fleet.ts";
import { ownLabel } from "../../framework/label-selector.ts";
import { headerName } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface HeaderLabelAffinityParameters {
  readonly headerName: string;
  readonly labelKey: string;
}

/** 1 where the label equals the header's value, 0 elsewhere; 0 for all without the header. */
export const headerLabelAffinityScorer: PluginDefinition<HeaderLabelAffinityParameters> = {
  type: "header-label-affinity-scorer",
  stability: "experimental",
  summary: "Prefers endpoints whose label equals a header of the request.",
  facets: ["scorer"],
  parameters: z.strictObject({
    headerName: headerName.meta({ description: "header that is compared" }),
    labelKey: z.string().min(1).meta({ description: "label that it is compared with" }),
  }),
  create: (parameters) => {
    const endpointsWith = byLabel(parameters.labelKey);
    return {
      headers: [parameters.headerName],
      scorer: {
        op: "requestMask",
        requestMask: (request, fleet) => {
          const value = request.header(parameters.headerName);
          return value === undefined || value === "" ? undefined : endpointsWith(value, fleet);
        },
      },
    };
  },
};

const NOBODY: readonly FleetEndpoint[] = [];

/** Finds the endpoints whose label has a value. Sorts the fleet once per change of it. */
function byLabel(labelKey: string): (value: string, fleet: FleetView) => readonly FleetEndpoint[] {
  let version: number | undefined;
  let byValue = new Map<string, FleetEndpoint[]>();
  return (value, fleet) => {
    if (version !== fleet.version) {
      version = fleet.version;
      byValue = groupByLabel(fleet.endpoints, labelKey);
    }
    return byValue.get(value) ?? NOBODY;
  };
}

function groupByLabel(endpoints: readonly FleetEndpoint[], labelKey: string): Map<string, FleetEndpoint[]> {
  const groups = new Map<string, FleetEndpoint[]>();
  for (const endpoint of endpoints) {
    const value = ownLabel(endpoint.labels, labelKey);
    if (value === undefined) continue;
    const group = groups.get(value);
    if (group === undefined) groups.set(value, [endpoint]);
    else group.push(endpoint);
  }
  return groups;
}
