/** Times the users' plugins of a shard. Built-in ones run together in the kernel and are not timed apart. */
import { add, FOLDED_KINDS, observe, PLUGIN_COLUMNS, SHARED_COLUMNS } from "./columns.ts";
import { PLUGIN_SEPARATOR, type ShardSeries } from "./shard-series.ts";

export interface TimedPlugin {
  /** What it takes part in: its facets, joined by "+". */
  readonly extensionPoint: string;
  readonly type: string;
  readonly name: string;
}

/** Counts how long one call took. Allocates nothing. */
export type PluginTimer = (durationMs: number) => void;

/** To be made once per plugin, when a policy is compiled; a plugin that was timed before goes on with its row. */
export function pluginTimer(series: ShardSeries, { extensionPoint, type, name }: TimedPlugin): PluginTimer {
  const number = series.plugins.numberOf([extensionPoint, type, name].join(PLUGIN_SEPARATOR));
  const row = number === 0 ? undefined : series.pluginRows.rowOf(number);
  if (row === undefined) {
    return () => add(series.shared, SHARED_COLUMNS.folded + FOLDED_KINDS.indexOf("plugin"), 1);
  }
  const at = row * PLUGIN_COLUMNS.width;
  return (durationMs) => observe(series.pluginRows.cells, at, PLUGIN_COLUMNS.duration, durationMs / 1_000);
}
