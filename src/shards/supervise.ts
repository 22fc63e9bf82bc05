/** Keeps a long task running: when it ends without being told to, it is started again after a pause. */
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";

/** The pause doubles while the task keeps dying within the longest pause, so a broken machine is not kept busy. */
const PAUSE_MS_MIN = 10;
const PAUSE_MS_MAX = 5_000;

export interface Supervised {
  /** The task is about to be told to end: do not start it again. Resolves when it has ended. */
  end(): Promise<void>;
}

/** Starts the task at once. `onDeath` is called before each pause. */
export function supervise(options: {
  readonly clock: Clock;
  /** Settles when the task has ended, for whatever reason. */
  readonly run: () => Promise<void>;
  /** `reason`: the message; `cause`: what was thrown, if anything was. */
  readonly onDeath: (reason: string, cause: unknown) => void;
}): Supervised {
  const { clock } = options;
  let isEnding = false;
  let pauseMs = PAUSE_MS_MIN;
  let wake: () => void = () => undefined;

  const loop = async (): Promise<void> => {
    while (!isEnding) {
      const startedAtMs = clock.nowMs();
      const cause: unknown = await options.run().catch((error: unknown) => error ?? "nothing was thrown");
      if (isEnding) return;
      options.onDeath(cause === undefined ? "its task ended" : messageOf(cause), cause);
      if (clock.nowMs() - startedAtMs > PAUSE_MS_MAX) pauseMs = PAUSE_MS_MIN;
      await new Promise<void>((resolve) => {
        const timer = clock.setTimeout(resolve, pauseMs);
        wake = () => {
          timer.cancel();
          resolve();
        };
      });
      pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX);
    }
  };
  const ended = loop();
  return {
    end() {
      isEnding = true;
      wake();
      return ended;
    },
  };
}
