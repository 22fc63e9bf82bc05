/** How a thread answers operators' questions: captures by itself, the rest from what it is made of. */
import type { Clock } from "../base/clock.ts";
import { ThreadProfiler } from "./thread-profiler.ts";
import type { AnswerQuery } from "./thread-queries.ts";

export interface AnswerSources {
  readonly clock: Clock;
  /** JSON. */
  readonly pluginStates?: () => string;
  /** JSON. */
  readonly blocksHeld?: () => string;
}

export function answerQueries({ clock, pluginStates, blocksHeld }: AnswerSources): AnswerQuery {
  const profiler = new ThreadProfiler(clock);
  return (query, signal) => {
    switch (query.kind) {
      case "ping":
        return nothing();
      case "plugin-states":
        return textPiece(pluginStates ?? (() => "{}"));
      case "blocks-held":
        return textPiece(blocksHeld ?? (() => "[]"));
      case "cpu-profile":
      case "heap-profile":
      case "heap-snapshot":
        return profiler.capture(query, signal);
    }
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  yield* [];
}

async function* textPiece(read: () => string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(read());
}
