/**
 * Whether a request is let in before it is scheduled, in the Go picker's order: a saturated pool sheds what may be
 * shed, producers supply data, admitters judge.
 */
import type { Clock } from "../base/clock.ts";
import { EppError } from "../base/errors.ts";
import type { FleetView } from "../framework/fleet.ts";
import type { ShardMemory } from "../wasm/shard-memory.ts";
import { NamedCandidates } from "./candidates.ts";
import type { PluginRun } from "./plugin-run.ts";

/** A request that asks to be let in, and what it is judged by. */
export interface Applicant {
  readonly memory: ShardMemory;
  readonly clock: Clock;
  readonly fleet: FleetView;
  /** Number of its policy. */
  readonly policy: number;
  /** Stream window with its body. */
  readonly window: number | undefined;
  /** Where it may go; anywhere when undefined. */
  readonly addresses: readonly string[] | undefined;
  readonly priority: number;
  /** Undefined when no plugin looks at requests. */
  readonly plugins: PluginRun | undefined;
}

/** Why the request is refused; undefined when it is let in. */
export function admit(applicant: Applicant): EppError | undefined {
  const { plugins, priority } = applicant;
  const shed = priority < 0 ? shedIfFull(applicant) : undefined;
  if (shed !== undefined || plugins === undefined || !plugins.looksAhead) return shed;
  const { memory, clock, policy, addresses } = applicant;
  let candidates: NamedCandidates | undefined;
  const look = (): NamedCandidates => (candidates ??= candidatesOf(applicant));
  plugins.produce(look);
  return plugins.admit({
    get endpointCount() {
      return look().count;
    },
    meanUtilization: (queueDepthRequests, kvCacheUsageFraction) =>
      memory.meanUtilization({ policy, addresses }, clock.nowMs(), { queueDepthRequests, kvCacheUsageFraction }),
  });
}

/** A request that may be shed passes only while the pool has room. An empty pool is not a full one. */
function shedIfFull(applicant: Applicant): EppError | undefined {
  const { memory, clock, policy, addresses } = applicant;
  if (memory.poolSaturation({ policy, addresses }, clock.nowMs()) < 1) return undefined;
  if (candidatesOf(applicant).count === 0) return undefined;
  return new EppError("ResourceExhausted", "system saturated, sheddable request dropped");
}

/** Decides nothing, so it draws nothing. */
function candidatesOf({ memory, clock, fleet, policy, window, addresses }: Applicant): NamedCandidates {
  const request = { window, policy, seedLow: 0, seedHigh: 0, addresses };
  return new NamedCandidates(memory.look(request, clock.nowMs()), fleet, (slot) => memory.hostPort(slot));
}
