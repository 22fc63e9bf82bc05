/**
 * `/debug/pprof/…`: profiles of one thread, as files for Chrome's or VS Code's tools. Any thread, one capture at a time
 * each; the thread that is looked at does the work, the others do not notice.
 */
import { type CaptureRequest, SECONDS_MAX } from "../../platform/thread-profiler.ts";
import { type QueriedThread, ThreadQueryError } from "../../platform/thread-queries.ts";
import { type AdminPage, JSON_TYPE, PageError, type PageRequest } from "../page.ts";
import { PAGES, type PageEntry } from "./page-table.ts";

/** As of Go's pprof. */
const CPU_SECONDS_DEFAULT = 30;
const HEAP_SECONDS_DEFAULT = 10;

/** Whether a thread gives a sign of life soon. */
export type IsAnswering = (thread: QueriedThread, signal: AbortSignal) => Promise<boolean>;

/** The pages over these threads; the first one is meant when none is named. */
export function capturePages(threads: () => readonly QueriedThread[], isAnswering: IsAnswering): readonly AdminPage[] {
  const page = (kind: CaptureRequest["kind"], entry: PageEntry): AdminPage => ({
    ...entry,
    contentType: JSON_TYPE,
    fileName: (query) => `${nameOf(query)}${FILE_ENDINGS[kind]}`,
    answer: (request) => capture(kind, request, { threads: threads(), isAnswering }),
  });
  return [
    page("cpu-profile", PAGES.cpuProfile),
    page("heap-profile", PAGES.heapProfile),
    page("heap-snapshot", PAGES.heapSnapshot),
  ];
}

const FILE_ENDINGS: Readonly<Record<CaptureRequest["kind"], string>> = {
  "cpu-profile": ".cpuprofile",
  "heap-profile": ".heapprofile",
  "heap-snapshot": ".heapsnapshot",
};

async function* capture(
  kind: CaptureRequest["kind"],
  { query, signal }: PageRequest,
  { threads, isAnswering }: { readonly threads: readonly QueriedThread[]; readonly isAnswering: IsAnswering },
): AsyncGenerator<Uint8Array> {
  const wanted = query.get("thread") ?? threads[0]?.name;
  const thread = threads.find(({ name }) => name === wanted);
  if (thread === undefined) {
    throw new PageError(400, `thread "${wanted}" is none of ${threads.map(({ name }) => name).join(", ")}`);
  }
  const request = requestOf(kind, query);
  if (!(await isAnswering(thread, signal))) throw new PageError(503, `${thread.name} does not answer: busy or stuck`);
  try {
    yield* thread.ask(request, signal);
  } catch (error) {
    if (!(error instanceof ThreadQueryError) || error.code === "failed") throw error;
    throw new PageError(error.code === "busy" ? 409 : 503, error.message);
  }
}

function requestOf(kind: CaptureRequest["kind"], query: URLSearchParams): CaptureRequest {
  if (kind === "heap-snapshot") return { kind };
  const text = query.get("seconds") ?? String(kind === "cpu-profile" ? CPU_SECONDS_DEFAULT : HEAP_SECONDS_DEFAULT);
  const seconds = Number(text);
  if (!/^\d{1,3}$/.test(text) || seconds < 1 || seconds > SECONDS_MAX) {
    throw new PageError(400, `seconds "${text}" is not a whole number from 1 to ${SECONDS_MAX}`);
  }
  return { kind, seconds };
}

/** A name for a file: only what no header and no file system minds. */
function nameOf(query: URLSearchParams): string {
  const name = query.get("thread") ?? "control";
  return /^[a-z0-9-]{1,40}$/.test(name) ? name : "thread";
}
