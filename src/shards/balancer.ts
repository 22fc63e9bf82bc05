/**
 * Looks once a second at what each shard takes, and has the fullest one shed a connection when that is due
 * (shed-rule.ts). Every shed is counted and is a line in the log.
 *
 *   shards ─ connections, streams begun ─► look ─► ShedPacer ─ shed ─► shard ─ done ─► onShed
 */
import type { Clock, Timer } from "../base/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { ToShard } from "./messages.ts";
import { type ShardLoad, ShedPacer } from "./shed-rule.ts";

const LOOK_MS = 1_000;

export interface BalancerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly shardCount: number;
  readonly isListening: (shard: number) => boolean;
  /** Connections of a shard that take new streams. */
  readonly connections: (shard: number) => number;
  /** Streams that a shard ever began. */
  readonly streamsBegun: (shard: number) => number;
  readonly tell: (shard: number, message: ToShard) => void;
  /** A proxy was told to replace a connection. */
  readonly onCounted: () => void;
}

export class Balancer {
  readonly #options: BalancerOptions;
  readonly #pacer = new ShedPacer();
  readonly #timer: Timer;
  #lookedAtMs: number;
  #streamsBegun: readonly number[];
  #loads: readonly ShardLoad[] = [];

  constructor(options: BalancerOptions) {
    this.#options = options;
    this.#lookedAtMs = options.clock.nowMs();
    this.#streamsBegun = this.#countStreams();
    this.#timer = options.clock.setInterval(() => this.#look(), LOOK_MS);
  }

  /** A shard has done as it was told. */
  onShed(shard: number): void {
    const { logger, onCounted } = this.#options;
    onCounted();
    const loads = this.#loads.map((load) => ({ ...load, streamsPerSecond: Math.round(load.streamsPerSecond) }));
    logger.info({ loads }, `shard ${shard} has a proxy replace a connection: another shard is to get its streams`);
  }

  close(): void {
    this.#timer.cancel();
  }

  #look(): void {
    const { clock, isListening, connections, tell } = this.#options;
    const [nowMs, streamsBegun] = [clock.nowMs(), this.#countStreams()];
    const seconds = (nowMs - this.#lookedAtMs) / 1_000;
    this.#loads = streamsBegun.flatMap((count, shard) => {
      if (!isListening(shard)) return [];
      const begun = count - (this.#streamsBegun[shard] ?? 0);
      return [{ shard, connections: connections(shard), streamsPerSecond: begun / seconds }];
    });
    [this.#lookedAtMs, this.#streamsBegun] = [nowMs, streamsBegun];
    const shed = this.#pacer.decide(nowMs, this.#loads);
    if (shed !== undefined) tell(shed.shard, { kind: "shed", share: shed.share });
  }

  #countStreams(): number[] {
    return Array.from({ length: this.#options.shardCount }, (_, shard) => this.#options.streamsBegun(shard));
  }
}
