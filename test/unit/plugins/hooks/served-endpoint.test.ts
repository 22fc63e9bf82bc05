import { describe, expect, it } from "vitest";
import { destinationEndpointServedVerifier } from "../../../../src/plugins/hooks/served-endpoint.ts";
import { fleetView, requestView } from "../../../support/plugin-views.ts";
import { createPlugin } from "../../../support/plugins.ts";

const { hooks } = createPlugin(destinationEndpointServedVerifier);

describe("destination-endpoint-served-verifier", () => {
  it.each([
    { servedBy: "10.0.0.7:8000", value: "10.0.0.7:8000" },
    { servedBy: undefined, value: "fail: the proxy does not say which endpoint served the request" },
  ])("served by $servedBy: the client is told '$value'", ({ servedBy, value }) => {
    expect(hooks?.onResponse?.(requestView(), { status: "200", servedBy }, fleetView([]))).toEqual([
      { name: "x-conformance-test-served-endpoint", value },
    ]);
  });
});
