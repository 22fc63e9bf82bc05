/**
 * The shard's side of policies: loads the modules that an order names, compiles it, and keeps what was compiled as long
 * as orders of the same version follow. Orders are worked off one after the other, however long their modules take.
 */
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { Prng } from "../base/prng.ts";
import { PARSER_TYPES_DEFAULT, PLUGIN_BUDGET_MS } from "../config/defaults.ts";
import { parsersOfPolicy } from "../director/policy-parsers.ts";
import type { ShardPolicy } from "../director/policy-set.ts";
import type { PluginRegistry } from "../framework/registry.ts";
import { registerModules } from "../framework/user-modules.ts";
import type { GuardReports } from "../scheduling/plugin-guard.ts";
import { compilePolicy } from "../scheduling/policy.ts";
import { SharedColumns } from "../scheduling/shared-columns.ts";
import type { PluginTimer, TimedPlugin } from "../telemetry/series/plugin-series.ts";
import type { AttributeColumns } from "../wasm/attribute-columns.ts";
import type { PolicyOrder } from "./messages.ts";

export interface LoaderOptions {
  /** Of the built-in plugins. */
  readonly registry: PluginRegistry;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly columns: AttributeColumns;
  readonly reports: GuardReports;
  /** Counts the times of a plugin whose calls are measured. */
  readonly timerOf: (plugin: TimedPlugin) => PluginTimer;
}

interface Compiled {
  readonly version: number;
  readonly policy: Omit<ShardPolicy, "number">;
  readonly columns: SharedColumns;
}

export class PolicyLoader {
  readonly #options: LoaderOptions;
  #last: Compiled | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: LoaderOptions) {
    this.#options = options;
  }

  /** The policy of an order. Rejects with a ConfigError when it cannot be compiled. */
  load(order: PolicyOrder): Promise<ShardPolicy> {
    const loaded = this.#queue.then(() => this.#load(order));
    this.#queue = loaded.catch(messageOf);
    return loaded;
  }

  async #load(order: PolicyOrder): Promise<ShardPolicy> {
    const compiled = this.#last?.version === order.version ? this.#last : await this.#compile(order);
    compiled.columns.bind(order.columnNumbers);
    this.#last = compiled;
    return { number: order.number, ...compiled.policy };
  }

  async #compile({ version, config, modules }: PolicyOrder): Promise<Compiled> {
    const { registry: builtIn, clock, prng, reports, timerOf } = this.#options;
    const registry = await registerModules(builtIn, modules, PLUGIN_BUDGET_MS);
    const columns = new SharedColumns(this.#options.columns);
    const compiled = compilePolicy(config, registry, {
      nowMs: () => clock.nowMs(),
      random: () => prng.nextFraction(),
      // The control thread has compiled the same and told of it.
      onWarning: () => undefined,
      sharedColumn: (plugin, column) => columns.column(plugin, column),
      reports,
      timerOf,
    });
    return {
      version,
      columns,
      policy: { compiled, parsers: parsersOfPolicy(compiled, config.parsers ?? PARSER_TYPES_DEFAULT) },
    };
  }
}
