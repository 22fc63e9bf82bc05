/**
 * `/debug/pprof/…`: profiles of one thread, as files for Chrome's or VS Code's tools. Any thread, one capture at a time
 * each; the thread that is looked at does the work, the others do not notice.
 */
import { type CaptureRequest, SECONDS_MAX } from "../../platform/thread-profiler.ts";
import { type QueriedThread, ThreadQueryError } from "../../platform/thread-queries.ts";
import { type AdminPage, JSON_TYPE, PageError, type PageRequest } from "../page.ts";

/** As of Go's pprof. */
const CPU_SECONDS_DEFAULT = 30;
const HEAP_SECONDS_DEFAULT = 10;

/** The pages over these threads; the first one is meant when none is named. */
export function capturePages(threads: () => readonly QueriedThread[]): readonly AdminPage[] {
  const page = (
    kind: CaptureRequest["kind"],
    { path, summary }: { readonly path: string; readonly summary: string },
  ): AdminPage => ({
    path,
    summary,
    isEarly: false,
    contentType: JSON_TYPE,
    fileName: (query) => `${nameOf(query)}${FILE_ENDINGS[kind]}`,
    answer: (request) => capture(kind, request, threads()),
  });
  return [
    page("cpu-profile", {
      path: "/debug/pprof/profile",
      summary: "CPU profile of a thread: ?seconds=1…300&thread=control|shard-0…|index-writer. A .cpuprofile.",
    }),
    page("heap-profile", {
      path: "/debug/pprof/heap",
      summary: "What a thread allocates meanwhile and keeps: ?seconds=1…300&thread=…. A .heapprofile.",
    }),
    page("heap-snapshot", {
      path: "/debug/pprof/heap-snapshot",
      summary: "All that a thread holds: ?thread=…. Stops it for a second per 100 MB. A .heapsnapshot.",
    }),
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
  threads: readonly QueriedThread[],
): AsyncGenerator<Uint8Array> {
  const wanted = query.get("thread") ?? threads[0]?.name;
  const thread = threads.find(({ name }) => name === wanted);
  if (thread === undefined) {
    throw new PageError(400, `thread "${wanted}" is none of ${threads.map(({ name }) => name).join(", ")}`);
  }
  try {
    yield* thread.ask(requestOf(kind, query), signal);
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
