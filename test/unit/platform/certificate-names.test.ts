import { hostname, networkInterfaces } from "node:os";
import { describe, expect, it } from "vitest";
import { certificateNames } from "../../../src/platform/certificate-names.ts";

function names(options: Partial<Parameters<typeof certificateNames>[0]> = {}): string[] {
  return certificateNames({ host: "0.0.0.0", poolName: "", namespace: "team", environment: {}, ...options });
}

const OWN = Object.values(networkInterfaces())
  .flatMap((addresses = []) => addresses)
  .filter(({ internal, family }) => !internal && family === "IPv4")
  .map(({ address }) => address);

describe("names of a certificate", () => {
  it("are the loopback interface's and the machine's", () => {
    expect(names()).toEqual(expect.arrayContaining(["localhost", "127.0.0.1", "::1", hostname(), ...OWN]));
  });

  it("have the one address that is listened on instead of all", () => {
    expect(names({ host: "10.1.2.3" })).toContain("10.1.2.3");
    expect(names({ host: "10.1.2.3" }).filter((name) => OWN.includes(name))).toEqual([]);
  });

  it("have the pod's IP where its manifest tells it, and nothing that is no name", () => {
    expect(names({ environment: { POD_IP: "10.244.0.7" } })).toContain("10.244.0.7");
    expect(names({ environment: { POD_IP: "" } })).not.toContain("");
    expect(names({ environment: { POD_IP: "a b" } })).not.toContain("a b");
  });

  it("have the Service in front of the pool, as llm-d's chart and KServe call it", () => {
    expect(names({ poolName: "llama" })).toEqual(
      expect.arrayContaining(["llama-epp", "llama-epp.team", "llama-epp.team.svc"]),
    );
    expect(names({ poolName: "llama-inference-pool" })).toEqual(
      expect.arrayContaining(["llama-epp-service", "llama-epp-service.team.svc"]),
    );
    expect(names().join(" ")).not.toContain("-epp");
  });
});
