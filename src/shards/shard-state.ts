/** What the control thread tells a shard while it runs: its policies, the fleet by name, the objectives. */
import { assert } from "../base/assert.ts";
import { messageOf } from "../base/errors.ts";
import { KnownFleet } from "../director/known-fleet.ts";
import { ObjectiveTable } from "../director/objectives.ts";
import { type PolicyHolds, PolicySet } from "../director/policy-set.ts";
import type { ShardMemory } from "../wasm/shard-memory.ts";
import type { FromShard, ShardTask, ToShard } from "./messages.ts";
import type { PolicyLoader } from "./policy-loader.ts";

/** The messages that change it. */
export type StateOrder = Extract<ToShard, { kind: "policy" | "fleet" | "objectives" }>;

export interface StateOptions {
  readonly memory: ShardMemory;
  readonly loader: PolicyLoader;
  readonly send: (message: FromShard) => void;
}

export class ShardState {
  readonly policies: PolicySet;
  readonly fleet: KnownFleet;
  readonly objectives: ObjectiveTable;
  readonly #options: StateOptions;

  private constructor(options: StateOptions, policies: PolicySet) {
    this.#options = options;
    this.policies = policies;
    this.fleet = new KnownFleet();
    this.objectives = new ObjectiveTable();
  }

  /** What a shard begins with. Rejects with a ConfigError when its policy cannot be compiled. */
  static async open(
    task: Pick<ShardTask, "policy" | "fleet" | "objectives">,
    options: StateOptions,
  ): Promise<ShardState> {
    const first = await options.loader.load(task.policy);
    const state = new ShardState(options, new PolicySet(first, policyHolds(options.memory)));
    state.fleet.replace(task.fleet);
    state.objectives.replace(task.objectives);
    options.send({ kind: "policyTaken", number: first.number });
    return state;
  }

  take(order: StateOrder): void {
    switch (order.kind) {
      case "fleet":
        this.fleet.replace(order.fleet);
        break;
      case "objectives":
        this.objectives.replace(order.objectives);
        break;
      case "policy":
        void this.#takePolicy(order.policy);
        break;
    }
  }

  async #takePolicy(order: Parameters<PolicyLoader["load"]>[0]): Promise<void> {
    const { loader, send } = this.#options;
    const { number } = order;
    try {
      this.policies.replace(await loader.load(order));
      send({ kind: "policyTaken", number });
      send({ kind: "recovered", code: "config-bad", subject: "" });
    } catch (error) {
      const message = messageOf(error);
      send({ kind: "policyFailed", number, message });
      send({ kind: "degraded", code: "config-bad", detail: message, subject: "" });
    }
  }
}

/**
 * Holds in the shared memory. The active policy is the one that the control thread has told of, since it publishes no
 * other before all shards have taken this one.
 */
function policyHolds(memory: ShardMemory): PolicyHolds {
  return {
    hold(number) {
      const held = memory.holdPolicy();
      assert(held === number, `policy ${held} is active, and ${number} was told`);
    },
    release: (number) => memory.releasePolicy(number),
  };
}
