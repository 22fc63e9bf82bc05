/**
 * The objectives as a shard knows them. The control thread reads them (`discovery/file/objectives-file.ts`) and tells
 * every shard the whole table when it changes.
 */
import type { Objective } from "../framework/objective.ts";

/** Priority of a request whose objective is not known, or that names none: the Go picker's. */
const PRIORITY_DEFAULT = 0;

export class ObjectiveTable {
  #priorities: ReadonlyMap<string, number> = new Map();

  /** Makes these the objectives. Of two with one name the last counts. */
  replace(objectives: readonly Objective[]): void {
    this.#priorities = new Map(objectives.map(({ name, priority }) => [name, priority]));
  }

  priorityOf(name: string | undefined): number {
    return name === undefined ? PRIORITY_DEFAULT : (this.#priorities.get(name) ?? PRIORITY_DEFAULT);
  }
}
