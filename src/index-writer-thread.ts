/**
 * The index writer as the control thread has it: a background task that is started again when it dies. The next one
 * begins with an empty index, which the health details say until it has had time to learn.
 *
 *   starting ─begun─► writing ─dies─► (index-writer-down, pause) ─► starting …
 *                        └─close─► ended
 */
import { createRequire } from "node:module";
import { MessageChannel } from "node:worker_threads";
import { Piscina } from "piscina";
import type { Clock, Timer } from "./base/clock.ts";
import { INDEX_HOLDINGS_MAX, INDEX_LEARNING_MS } from "./config/defaults.ts";
import type { IndexWriterTask } from "./index-writer.ts";
import { type QueriedThread, RemoteThread } from "./platform/thread-queries.ts";
import { supervise } from "./shards/supervise.ts";
import type { ControlCounters } from "./telemetry/control-counters.ts";
import type { HealthDetails } from "./telemetry/health-details.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { IndexControl } from "./wasm/index-control.ts";

export interface RunningIndexWriter {
  /** Resolves when it has taken over the index, or has died trying, of which a log line tells. */
  readonly begun: Promise<void>;
  /** The writer that runs now, to be asked by operators. */
  readonly queried: () => QueriedThread | undefined;
  /** Resolves when it has ended. */
  readonly close: () => Promise<void>;
  /** Ends its thread as a crash would; resolves when it is gone. For fault tests. */
  readonly kill: () => Promise<void>;
}

export function startIndexWriter(context: {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly memory: WebAssembly.Memory;
  /** Blocks that one endpoint is taken to hold. */
  readonly blocksPerEndpointMax: number;
  readonly indexControl: IndexControl;
  readonly control: ControlCounters;
  readonly degraded: HealthDetails;
}): RunningIndexWriter {
  const { clock, logger, memory, blocksPerEndpointMax, indexControl, control, degraded } = context;
  const filename = createRequire(import.meta.url).resolve("#index-writer");
  const workers = new Piscina({ filename, minThreads: 1, maxThreads: 1, atomics: "disabled" });
  const lanes = { blocksPerEndpoint: blocksPerEndpointMax, blocksTotal: INDEX_HOLDINGS_MAX };
  let queried: RemoteThread | undefined;
  const run = async (): Promise<void> => {
    const { port1, port2 } = new MessageChannel();
    queried = new RemoteThread("index-writer", port1, () => indexControl.wake());
    const task: IndexWriterTask = { memory, lanes, queries: port2 };
    try {
      await workers.run(task, { transferList: [port2] });
    } finally {
      queried.close();
      queried = undefined;
    }
  };
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let learning: Timer | undefined;
  workers.on("message", () => {
    degraded.clear("index-writer-down");
    begin();
  });
  const writer = supervise({
    clock,
    run,
    onDeath: (reason, cause) => {
      if (cause instanceof Error) logger.error({ error: cause }, "the index writer died");
      begin();
      control.indexWriterRestarts++;
      degraded.raise("index-writer-down", `the index writer died: ${reason}`);
      degraded.raise("prefix-index-emptied", "the index writer died, the next one begins with an empty prefix index");
      learning?.cancel();
      learning = clock.setTimeout(() => degraded.clear("prefix-index-emptied"), INDEX_LEARNING_MS);
    },
  });
  return {
    begun,
    queried: () => queried,
    async close() {
      learning?.cancel();
      const ended = writer.end();
      indexControl.requestEnd();
      await ended;
      await workers.destroy();
    },
    async kill() {
      await Promise.all(workers.threads.map((thread) => thread.terminate()));
    },
  };
}
