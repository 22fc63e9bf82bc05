/** A source of the Go picker that tells its plugins of endpoints that come and go. */
import { ignoredParameters, warnOfIgnored } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

/** Has nothing to do here: every plugin and every column follows the fleet by itself. */
export const endpointNotificationSource: PluginDefinition = {
  type: "endpoint-notification-source",
  stability: "stable",
  summary: "Accepted, with nothing to do: everything here follows the fleet by itself.",
  facets: ["data-source"],
  parameters: ignoredParameters,
  create: (parameters, context) => {
    warnOfIgnored(parameters, context);
    return {};
  },
};
