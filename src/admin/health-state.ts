/**
 * What gRPC health answers from: three facts, which status they give to which service name, and who wants to know when
 * they change. The names and rules are the Go picker's.
 */
import type { HealthStatus } from "../wire/grpc-health.ts";

export interface HealthFacts {
  /** Requests are taken: started, and not told to end. */
  readonly isReady: boolean;
  readonly arePluginsReady: boolean;
  /** Whether this picker serves, where several elect one that does. */
  readonly leadership: "not elected" | "leader" | "follower";
}

/** What Envoy asks for. */
const EXT_PROC_SERVICE = "envoy.service.ext_proc.v3.ExternalProcessor";

/** Names that are listed. Without an election every other name gets an answer, too. */
export const HEALTH_SERVICES: readonly string[] = ["", "liveness", "readiness", EXT_PROC_SERVICE];

/** Names for which it counts whether the plugins are ready. */
const READINESS_SERVICES: readonly string[] = ["", "readiness", EXT_PROC_SERVICE];

/**
 * | service                              | without an election | leader  | follower        |
 * |--------------------------------------|---------------------|---------|-----------------|
 * | "", readiness, …ExternalProcessor    | ready and plugins   | as left | NOT_SERVING     |
 * | liveness                             | ready               | SERVING | SERVING         |
 * | any other                            | ready               | SERVICE_UNKNOWN           |
 *
 * A picker that drains is not ready, so that without an election it is not alive either: as in the Go picker.
 */
export function healthStatus(service: string, { isReady, arePluginsReady, leadership }: HealthFacts): HealthStatus {
  const asksReadiness = READINESS_SERVICES.includes(service);
  const statusOf = (isServing: boolean): HealthStatus => (isServing ? "SERVING" : "NOT_SERVING");
  if (leadership === "not elected") return statusOf(isReady && (arePluginsReady || !asksReadiness));
  if (service === "liveness") return "SERVING";
  return asksReadiness ? statusOf(isReady && arePluginsReady && leadership === "leader") : "SERVICE_UNKNOWN";
}

export class HealthState {
  readonly #watchers = new Set<() => void>();
  #facts: HealthFacts = { isReady: false, arePluginsReady: true, leadership: "not elected" };

  get facts(): HealthFacts {
    return this.#facts;
  }

  /** Changes some of the facts. */
  update(changed: Partial<HealthFacts>): void {
    this.#facts = { ...this.#facts, ...changed };
    for (const watcher of this.#watchers) watcher();
  }

  /** Calls `watcher` after each update, until the returned function is called. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }
}
