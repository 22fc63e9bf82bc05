/**
 * The index writer's thread: one long piscina task that drains the shards' rings into the prefix index until the
 * control thread asks it to return. When it dies, the control thread starts another one, which begins with an empty
 * index.
 */
import { type MessagePort, parentPort } from "node:worker_threads";
import { systemClock } from "./base/clock.ts";
import { nextTurn } from "./base/turn.ts";
import { answerQueries } from "./platform/answer-queries.ts";
import { serveQueries } from "./platform/thread-queries.ts";
import { IndexWriter } from "./wasm/index-writer.ts";
import type { LaneCapacity } from "./wasm/lanes.ts";
import { layout } from "./wasm/layout.ts";

/** Longest sleep. Work rings the doorbell; this only bounds what a lost wake-up could cost. */
const IDLE_WAIT_MS = 1_000;
/**
 * How long the writer lets picks gather that follow each other closely: other shards may be a millisecond behind. A
 * wake-up for each of them costs as much CPU time as the rest of a pick.
 */
const NAP_MS = 1;
/** Work that comes at longer intervals is waited for asleep: one wake-up for it is less than that and a nap. */
const NAP_INTERVAL_MS_MAX = 2;
/** Operators' questions are looked at so long after they came at the latest, and while one is being answered. */
const QUERY_PERIOD_MS = 20;

const slots: readonly number[] = Array.from({ length: layout.ENDPOINTS_MAX }, (_, slot) => slot);

export interface IndexWriterTask {
  readonly memory: WebAssembly.Memory;
  readonly lanes: LaneCapacity;
  /** Where operators' questions come in. Ring the doorbell with each. */
  readonly queries: MessagePort;
}

/** What the thread says when the writer has taken over the index. */
export type FromIndexWriter = "begun";

/**
 * Returns when HEADER_SHUTDOWN is 1. Blocks its thread while there is nothing to do, so it needs a thread of its own.
 */
export default async function runIndexWriter(task: IndexWriterTask): Promise<void> {
  const writer = new IndexWriter(task);
  // What shards told the index before this moment has been skipped; what they tell it from now on is not.
  const begun: FromIndexWriter = "begun";
  parentPort?.postMessage(begun);
  const blocksHeld = (): string => JSON.stringify(slots.map((slot) => writer.lanes.blockCount(slot)));
  const queries = serveQueries(task.queries, answerQueries({ clock: systemClock, blocksHeld }));
  // Away from the message that began this: the turn after it would end without looking for further ones.
  await nextTurn();
  let turnedAtMs = systemClock.nowMs();
  let workedAtMs = turnedAtMs;
  let hasTurned = true;
  while (!writer.isStopRequested()) {
    if (writer.drain() > 0) {
      const nowMs = systemClock.nowMs();
      if (nowMs - workedAtMs <= NAP_INTERVAL_MS_MAX) writer.nap(NAP_MS);
      workedAtMs = nowMs;
    } else {
      writer.waitForWork(hasTurned && queries.runningCount === 0 ? IDLE_WAIT_MS : QUERY_PERIOD_MS);
      // A question rings, too, and is seen in a turn only.
      hasTurned = false;
    }
    if (systemClock.nowMs() - turnedAtMs < QUERY_PERIOD_MS) continue;
    // Messages and timers of this thread run here only. A turn costs more than a pick, so not each wake-up has one.
    await nextTurn();
    turnedAtMs = systemClock.nowMs();
    hasTurned = true;
  }
  task.queries.close();
}
