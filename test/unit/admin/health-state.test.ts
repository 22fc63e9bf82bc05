import { describe, expect, it } from "vitest";
import { HEALTH_SERVICES, type HealthFacts, HealthState, healthStatus } from "../../../src/admin/health-state.ts";

const EXT_PROC = "envoy.service.ext_proc.v3.ExternalProcessor";

/** Services in the columns; S is SERVING, N is NOT_SERVING, U is SERVICE_UNKNOWN. */
const SERVICES = ["", "readiness", EXT_PROC, "liveness", "inference-extension"] as const;
const NAMES = { S: "SERVING", N: "NOT_SERVING", U: "SERVICE_UNKNOWN" } as const;

const TABLE: readonly (readonly [facts: HealthFacts, row: string])[] = [
  [{ isReady: true, arePluginsReady: true, leadership: "not elected" }, "SSSSS"],
  [{ isReady: true, arePluginsReady: false, leadership: "not elected" }, "NNNSS"],
  // Starting or draining: the liveness, too, as in the Go picker.
  [{ isReady: false, arePluginsReady: true, leadership: "not elected" }, "NNNNN"],
  [{ isReady: false, arePluginsReady: false, leadership: "not elected" }, "NNNNN"],
  [{ isReady: true, arePluginsReady: true, leadership: "leader" }, "SSSSU"],
  [{ isReady: true, arePluginsReady: false, leadership: "leader" }, "NNNSU"],
  [{ isReady: false, arePluginsReady: true, leadership: "leader" }, "NNNSU"],
  [{ isReady: true, arePluginsReady: true, leadership: "follower" }, "NNNSU"],
  [{ isReady: false, arePluginsReady: false, leadership: "follower" }, "NNNSU"],
];

describe("the status of a service", () => {
  it.each(TABLE)("when %j is %s", (facts, row) => {
    const wanted = [...row].map((letter) => NAMES[letter as keyof typeof NAMES]);
    expect(SERVICES.map((service) => healthStatus(service, facts))).toEqual(wanted);
  });

  it("is listed for all names that have one in every case", () => {
    expect([...HEALTH_SERVICES].toSorted()).toEqual(["", "liveness", "readiness", EXT_PROC].toSorted());
  });
});

describe("health state", () => {
  it("is not ready at first, and tells its watchers of each update until they leave", () => {
    const state = new HealthState();
    expect(state.facts).toEqual({ isReady: false, arePluginsReady: true, leadership: "not elected" });
    const heard: boolean[] = [];
    const unwatch = state.watch(() => heard.push(state.facts.isReady));
    state.update({ isReady: true });
    state.update({ isReady: false });
    unwatch();
    state.update({ isReady: true });
    expect(heard).toEqual([true, false]);
  });
});
