/** Makes a thread that runs and does not answer a degraded state. */
import type { Clock } from "./base/clock.ts";
import type { QueriedThread } from "./platform/thread-queries.ts";
import { ThreadWatch } from "./platform/thread-watch.ts";
import type { DegradationReporter } from "./telemetry/health-details.ts";

export function watchThreads(options: {
  readonly clock: Clock;
  readonly degraded: DegradationReporter;
  readonly shards: { readonly queried: readonly QueriedThread[] };
  readonly indexWriter: { readonly queried: () => QueriedThread | undefined };
}): ThreadWatch {
  const { clock, degraded, shards, indexWriter } = options;
  return new ThreadWatch({
    clock,
    threads: () => [...shards.queried, ...[indexWriter.queried()].filter((writer) => writer !== undefined)],
    onSilent(name, silentMs) {
      degraded.raise("thread-silent", `${name} has not answered for ${Math.round(silentMs / 1000)} s`, name);
    },
    onAnswer: (name) => degraded.clear("thread-silent", name),
  });
}
