/**
 * What a shard tells the control thread of plugins that fail: the first failure at once, then what has come together,
 * at most once a second, however often a plugin fails.
 */
import type { Clock, Timer } from "../base/clock.ts";
import type { FailureCause, GuardReports } from "../scheduling/plugin-guard.ts";
import type { FromShard, PluginFailures } from "./messages.ts";

const REPORT_PERIOD_MS = 1_000;

export class PluginReports implements GuardReports {
  readonly #clock: Clock;
  readonly #send: (message: FromShard) => void;
  #pending = new Map<string, PluginFailures>();
  #timer: Timer | undefined;

  constructor({ clock, send }: { readonly clock: Clock; readonly send: (message: FromShard) => void }) {
    this.#clock = clock;
    this.#send = send;
  }

  onFailure(plugin: string, cause: FailureCause, message: string): void {
    const key = `${cause} ${plugin}`;
    const earlier = this.#pending.get(key);
    this.#pending.set(
      key,
      earlier === undefined ? { plugin, cause, count: 1, message } : { ...earlier, count: earlier.count + 1 },
    );
    if (this.#timer === undefined) this.#flush();
  }

  onResting(plugin: string, message: string): void {
    this.#send({ kind: "degraded", code: "plugin-resting", detail: message, subject: plugin });
  }

  onWorking(plugin: string): void {
    this.#send({ kind: "recovered", code: "plugin-resting", subject: plugin });
  }

  close(): void {
    this.#timer?.cancel();
  }

  #flush(): void {
    this.#timer = undefined;
    if (this.#pending.size === 0) return;
    this.#send({ kind: "pluginFailures", failures: [...this.#pending.values()] });
    this.#pending = new Map();
    this.#timer = this.#clock.setTimeout(() => this.#flush(), REPORT_PERIOD_MS);
  }
}
