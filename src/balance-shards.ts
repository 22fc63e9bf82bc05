/** Keeps shards level: what each one carries comes from the shared counters, and what it sheds is counted. */
import type { Clock } from "./base/clock.ts";
import { Balancer } from "./shards/balancer.ts";
import type { ShardPool } from "./shards/pool.ts";
import type { ControlCounters } from "./telemetry/control-counters.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { ControlMetrics } from "./telemetry/metrics/control-metrics.ts";
import type { SharedCounters } from "./wasm/counters.ts";
import { layout } from "./wasm/layout.ts";

export function balanceShards(options: {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly shards: Pick<ShardPool, "isListening" | "tellOne">;
  readonly counters: SharedCounters;
  readonly metering: Pick<ControlMetrics, "connectionsOf">;
  readonly control: Pick<ControlCounters, "connectionsShed">;
}): Balancer {
  const { clock, logger, shards, counters, metering, control } = options;
  return new Balancer({
    clock,
    logger,
    shardCount: counters.shardCount,
    isListening: (shard) => shards.isListening(shard),
    connections: (shard) => metering.connectionsOf(shard),
    streamsBegun: (shard) => counters.ofShard(shard, layout.SHARD_COUNTER_STREAMS_OPENED),
    tell: (shard, message) => shards.tellOne(shard, message),
    onCounted: () => control.connectionsShed++,
  });
}
