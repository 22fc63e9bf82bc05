import { describe, expect, it } from "vitest";
import { endpointId, hostPort } from "../../../src/framework/endpoint.ts";

describe("endpoint", () => {
  it.each([
    { address: "10.0.0.1", port: 8000, text: "10.0.0.1:8000" },
    { address: "::1", port: 8000, text: "[::1]:8000" },
    { address: "2001:db8::ff", port: 1, text: "[2001:db8::ff]:1" },
  ])("$address and $port are written $text", ({ address, port, text }) => {
    expect(hostPort({ address, port })).toBe(text);
  });

  it("equal names in two namespaces are two endpoints", () => {
    expect(endpointId({ namespace: "a", name: "x" })).toBe("a/x");
    expect(endpointId({ namespace: "b", name: "x" })).toBe("b/x");
  });
});
