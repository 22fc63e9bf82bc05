/**
 * `/debug/health`: how the picker is, for people: whether it serves, what degrades it and what to do about that, and
 * each shard's load. Probes ask gRPC health instead.
 */
import type { Clock } from "../../base/clock.ts";
import type { HealthDetails } from "../../telemetry/health-details.ts";
import { type AdminPage, jsonPage } from "../page.ts";
import { PAGES } from "./page-table.ts";

export type Phase = "starting" | "serving" | "draining";

export interface ShardHealth {
  readonly name: string;
  /** It takes requests; false while it is started again after a death. */
  readonly isListening: boolean;
  readonly streamsOpen: number;
  readonly inFlightRequests: number;
}

export interface HealthPageOptions {
  readonly clock: Clock;
  readonly startedAtWallMs: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly phase: () => Phase;
  readonly degraded: HealthDetails;
  readonly shards: () => readonly ShardHealth[];
  /** Connections and requests that this server has turned away, by why. */
  readonly overload: () => Readonly<Record<string, number>>;
}

export function healthPage(options: HealthPageOptions): AdminPage {
  const { clock, startedAtWallMs, versions, phase, degraded, shards, overload } = options;
  return jsonPage({
    ...PAGES.health,
    read: () => ({
      phase: phase(),
      isReady: phase() === "serving",
      isDraining: phase() === "draining",
      startedAt: formatTime(startedAtWallMs),
      uptimeSeconds: Math.round(clock.nowMs() / 1000),
      versions,
      degraded: degraded.list().map(({ sinceWallMs, ...state }) => ({ ...state, since: formatTime(sinceWallMs) })),
      shards: shards(),
      adminOverload: overload(),
    }),
  });
}

function formatTime(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
