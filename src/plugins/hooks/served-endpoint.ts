/** Tells the client which endpoint the proxy says it used: for conformance tests. */
import { ignoredParameters, warnOfIgnored } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

const HEADER = "x-conformance-test-served-endpoint";
const NOT_SAID = "fail: the proxy does not say which endpoint served the request";

export const destinationEndpointServedVerifier: PluginDefinition = {
  type: "destination-endpoint-served-verifier",
  stability: "stable",
  summary: `Writes the endpoint that served a request to the response header \`${HEADER}\`; for conformance tests.`,
  facets: ["hook"],
  parameters: ignoredParameters,
  create: (parameters, context) => {
    warnOfIgnored(parameters, context);
    return { hooks: { onResponse: (_request, { servedBy = NOT_SAID }) => [{ name: HEADER, value: servedBy }] } };
  },
};
