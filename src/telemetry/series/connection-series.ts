/** Keeps the number of a shard's connections in its series table, for metrics and for who balances shards. */
import type { Clock, Timer } from "../../base/clock.ts";
import { SHARED_COLUMNS } from "./columns.ts";
import type { ShardSeries } from "./shard-series.ts";

/** Twice as often as shards are compared. */
const COUNT_MS = 500;

/** Counts now and from time to time, until cancelled. */
export function countConnections({ shared }: ShardSeries, clock: Clock, connections: () => number): Timer {
  const count = (): void => {
    shared[SHARED_COLUMNS.connections] = connections();
  };
  count();
  return clock.setInterval(count, COUNT_MS);
}
