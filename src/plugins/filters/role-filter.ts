/**
 * Filters by the role that an endpoint has when prefill, decode and encoding of one request go to different servers.
 * The roles are those of the Go picker.
 */
import type { Labels } from "../../framework/fleet.ts";
import { ownLabel } from "../../framework/label-selector.ts";
import { ignoredParameters, warnOfIgnored } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

/** The label that says it. */
const ROLE_LABEL = "llm-d.ai/role";

export interface RoleFilter {
  readonly type: string;
  readonly summary: string;
  readonly roles: readonly string[];
  /** Whether an endpoint without the label has the role. */
  readonly keepsUnlabelled: boolean;
}

/** A filter that keeps the endpoints of these roles. */
export function roleFilter({ type, summary, roles, keepsUnlabelled }: RoleFilter): PluginDefinition {
  const kept = new Set(roles);
  const labelMask = (labels: Labels): boolean => {
    const role = ownLabel(labels, ROLE_LABEL);
    return role === undefined ? keepsUnlabelled : kept.has(role);
  };
  return {
    type,
    stability: "stable",
    summary,
    facets: ["filter"],
    parameters: ignoredParameters,
    create: (parameters, context) => {
      warnOfIgnored(parameters, context);
      return { filter: { op: "labels", labelMask } };
    },
  };
}
