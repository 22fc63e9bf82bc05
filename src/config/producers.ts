/** Adds the producers that configured plugins need and nobody has configured, and what those need in turn. */
import { ConfigError } from "../base/errors.ts";
import { completeDataGraph } from "../framework/data-graph.ts";
import type { InstanceTable } from "./instance-table.ts";

export function addMissingProducers(table: InstanceTable): void {
  const nodes = table.names.map((name) => table.dataNode(name)).filter((node) => node !== undefined);
  try {
    completeDataGraph(nodes, (type) =>
      table.dataNode(table.ensure(type, "a configured plugin needs what it produces")),
    );
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    table.fail(error.path ?? ["plugins"], error.message);
  }
}
