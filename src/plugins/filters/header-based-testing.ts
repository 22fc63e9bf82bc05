/** Keeps the endpoints that a header of the request names: conformance tests choose the endpoint themselves. */
import type { FleetEndpoint, FleetView } from "../../framework/fleet.ts";
import { ignoredParameters, warnOfIgnored } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

const HEADER = "test-epp-endpoint-selection";

/** The header is a list of `ip` or `ip:port`, separated by commas. Without it, or without a match, nothing is kept. */
export const headerBasedTestingFilter: PluginDefinition = {
  type: "header-based-testing-filter",
  stability: "stable",
  summary: `Keeps the endpoints that the header \`${HEADER}\` names; for conformance tests.`,
  facets: ["filter"],
  parameters: ignoredParameters,
  create: (parameters, context) => {
    warnOfIgnored(parameters, context);
    return {
      headers: [HEADER],
      filter: {
        op: "requestMask",
        requestMask: (request, fleet) => namedEndpoints(request.header(HEADER), fleet),
      },
    };
  },
};

function namedEndpoints(list: string | undefined, fleet: FleetView): readonly FleetEndpoint[] | undefined {
  if (list === undefined) return undefined;
  const names = list
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  return names.flatMap((name) =>
    fleet.endpoints.filter(({ address, hostPort }) => address === name || hostPort === name),
  );
}
