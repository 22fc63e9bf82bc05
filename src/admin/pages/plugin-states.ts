/**
 * `/debug/plugins/state`: what plugins say about themselves (`dumpState`), from the control thread and each shard. One
 * piece per thread. A thread that does not answer is named with the reason, and does not keep the others out.
 */
import { messageOf } from "../../base/errors.ts";
import type { QueriedThread } from "../../platform/thread-queries.ts";
import { type AdminPage, JSON_TYPE } from "../page.ts";
import type { IsAnswering } from "./captures.ts";
import { PAGES } from "./page-table.ts";

export function pluginStatesPage(threads: () => readonly QueriedThread[], isAnswering: IsAnswering): AdminPage {
  return {
    ...PAGES.pluginStates,
    contentType: JSON_TYPE,
    async *answer({ signal }) {
      let separator = "{";
      for (const thread of threads()) {
        yield `${separator}\n  ${JSON.stringify(thread.name)}: ${await readStates(thread, isAnswering, signal)}`;
        separator = ",";
      }
      yield "\n}\n";
    },
  };
}

async function readStates(thread: QueriedThread, isAnswering: IsAnswering, signal: AbortSignal): Promise<string> {
  if (!(await isAnswering(thread, signal))) return JSON.stringify({ error: "it does not answer: busy or stuck" });
  try {
    const pieces: Uint8Array[] = [];
    for await (const piece of thread.ask({ kind: "plugin-states" }, signal)) pieces.push(piece);
    return Buffer.concat(pieces).toString();
  } catch (error) {
    return JSON.stringify({ error: messageOf(error) });
  }
}
