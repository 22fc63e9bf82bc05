/**
 * When a shard gives a connection up so that another gets its streams. Envoy opens one connection per worker thread,
 * and the kernel gives each to a shard by a hash of its ports: two may well land on one shard. A proxy that is told to
 * replace a connection comes from another port, so the hash is drawn again.
 *
 * Only the streams that begin count: those are what moves. Open ones stay where they are.
 *
 *   loads ─► findShed: would the fullest shard gain? ─► ShedPacer: for long enough, and not too soon after the last?
 */

/** What one shard that listens takes. */
export interface ShardLoad {
  readonly shard: number;
  /** Connections that take new streams. */
  readonly connections: number;
  readonly streamsPerSecond: number;
}

export interface Shed {
  /** The shard that is to give a connection up. */
  readonly shard: number;
  /** Part of its streams, 0 to 1, that would best go elsewhere. */
  readonly share: number;
}

/**
 * Below it a shard is idle, and nothing is gained by moving what it has: 20 of the largest requests (450 KB) take some
 * 5 % of a core.
 */
export const SHED_STREAMS_PER_SECOND_MIN = 20;

/**
 * With one more connection the emptiest shard must still take less than the fullest takes now, by this part of it: or
 * the two would only change places. With equal connections 2 and 0, 3 and 1, 6 and 4 are worth a move; 2 and 1, 5 and 4
 * cannot be bettered, and 7 and 5 are near enough.
 */
const SHED_MARGIN = 0.15;

/** So long it must have been worth it: random arrivals differ for a second or two, not for five. */
export const SHED_SUSTAINED_MS = 5_000;

/** Time between two sheds at first: the proxy has long replaced the connection by then, and its streams are counted. */
export const SHED_PAUSE_MS_MIN = 10_000;

/**
 * The pause grows with every shed, in case that none helps. The hash finds the emptiest of N shards one of N times, so
 * 2 shards are mostly level within half a minute, 4 within one; and a new connection a minute costs nothing that could
 * be measured.
 */
export const SHED_PAUSE_GROWTH = 1.25;
export const SHED_PAUSE_MS_MAX = 60_000;

/** Once nothing was worth a move for so long, the next shed begins with the first pause again. */
export const SHED_LEVEL_MS = 60_000;

/** The shed that would relieve the fullest shard; undefined when none would, or none is needed. */
export function findShed(loads: readonly ShardLoad[]): Shed | undefined {
  const [first, ...others] = loads;
  if (first === undefined) return undefined;
  const fullest = others.reduce((most, one) => (one.streamsPerSecond > most.streamsPerSecond ? one : most), first);
  const emptiest = others.reduce((least, one) => (one.streamsPerSecond < least.streamsPerSecond ? one : least), first);
  const { shard, connections, streamsPerSecond } = fullest;
  // A shard's only connection would take the whole load with it.
  if (connections < 2 || streamsPerSecond < SHED_STREAMS_PER_SECOND_MIN) return undefined;
  const moved = streamsPerSecond / connections;
  if (emptiest.streamsPerSecond + moved > (1 - SHED_MARGIN) * streamsPerSecond) return undefined;
  return { shard, share: (streamsPerSecond - emptiest.streamsPerSecond) / 2 / streamsPerSecond };
}

/** Decides over time; `decide` is called about once a second. */
export class ShedPacer {
  /** Since when the same shard would have been relieved at every look. */
  #sustained: { readonly shard: number; readonly sinceMs: number } | undefined;
  /** The last shed, and how many there were before it since it was last level. */
  #last: { readonly atMs: number; readonly before: number } | undefined;
  #neededAtMs = 0;

  /** The shed that is due now. It counts as done. */
  decide(nowMs: number, loads: readonly ShardLoad[]): Shed | undefined {
    const shed = findShed(loads);
    if (shed === undefined) {
      this.#sustained = undefined;
      if (nowMs - this.#neededAtMs >= SHED_LEVEL_MS) this.#last = undefined;
      return undefined;
    }
    this.#neededAtMs = nowMs;
    if (this.#sustained?.shard !== shed.shard) this.#sustained = { shard: shed.shard, sinceMs: nowMs };
    if (nowMs - this.#sustained.sinceMs < SHED_SUSTAINED_MS) return undefined;
    if (this.#last !== undefined && nowMs - this.#last.atMs < pauseMs(this.#last.before)) return undefined;
    this.#last = { atMs: nowMs, before: this.#last === undefined ? 0 : this.#last.before + 1 };
    this.#sustained = undefined;
    return shed;
  }
}

function pauseMs(shedsBefore: number): number {
  return Math.min(SHED_PAUSE_MS_MIN * SHED_PAUSE_GROWTH ** shedsBefore, SHED_PAUSE_MS_MAX);
}
