/**
 * The states of plugins as one JSON text, bounded: a plugin that says too much, or throws, costs only its own entry.
 * Made in each thread that has instances of plugins.
 */
import { messageOf } from "../base/errors.ts";
import type { Plugin } from "./plugin.ts";

/** Characters of one plugin's state; a longer one is left out, with its size. */
const STATE_SIZE_MAX = 64 * 1024;
/** Characters of all states of a thread. */
const STATES_SIZE_MAX = 1024 * 1024;

export interface NamedPlugin {
  readonly name: string;
  readonly type: string;
  readonly plugin: Pick<Plugin, "dumpState">;
}

/** `{name: {type, state}}` of those that have a state; `error` or `omitted` stands in its place where it is not had. */
export function formatPluginStates(plugins: readonly NamedPlugin[]): string {
  const entries: string[] = [];
  let left = STATES_SIZE_MAX;
  for (const { name, type, plugin } of plugins) {
    if (plugin.dumpState === undefined) continue;
    const entry = `${JSON.stringify(name)}: {"type": ${JSON.stringify(type)}, ${formatState(plugin, left)}}`;
    left -= entry.length;
    entries.push(entry);
  }
  return `{${entries.join(", ")}}`;
}

function formatState(plugin: Pick<Plugin, "dumpState">, left: number): string {
  try {
    const text = JSON.stringify(plugin.dumpState?.() ?? null) ?? "null";
    if (text.length <= Math.min(left, STATE_SIZE_MAX)) return `"state": ${text}`;
    return `"omitted": "its state has ${text.length} characters"`;
  } catch (error) {
    return `"error": ${JSON.stringify(messageOf(error))}`;
  }
}
