/**
 * Profiles of the thread that this runs on, by V8's own profilers, as the files that Chrome's and VS Code's tools open:
 * `.cpuprofile`, `.heapprofile`, `.heapsnapshot`. One at a time per thread.
 *
 * What each costs the thread (Node 20, 2026-11, Xeon 2 cores): profiles of CPU or heap some 10 % of its time while they
 * run; a snapshot stops it while V8 copies its heap, 70 ms of CPU per MB, and takes the heap's size again until sent.
 */
import { Session } from "node:inspector";
import { getHeapSnapshot } from "node:v8";
import type { Clock } from "../base/clock.ts";

export type CaptureRequest =
  /** Where the thread spends its time during the next seconds. */
  | { readonly kind: "cpu-profile"; readonly seconds: number }
  /** What is allocated during the next seconds and still held at their end. */
  | { readonly kind: "heap-profile"; readonly seconds: number }
  /** Everything that is held now, and by what. */
  | { readonly kind: "heap-snapshot" };

/** Longest profile. */
export const SECONDS_MAX = 300;
/** A longer profile is sampled less often, so that its file stays some MB: every ms up to a minute. */
const SAMPLES_MAX = 60_000;
const SAMPLE_PERIOD_US_MIN = 1_000;
/** Bytes between two samples of allocations, on average: V8's default. */
const HEAP_SAMPLE_SIZE = 32_768;
/** Bytes of one piece of a file. */
const PIECE_SIZE = 256 * 1024;

export class ThreadProfiler {
  readonly #clock: Clock;
  #isBusy = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The file in pieces; undefined while another capture is under way. A capture ends early when the signal aborts or
   * the iteration is left.
   */
  capture(request: CaptureRequest, signal: AbortSignal): AsyncIterable<Uint8Array> | undefined {
    if (this.#isBusy) return undefined;
    this.#isBusy = true;
    return this.#pieces(request, signal);
  }

  async *#pieces(request: CaptureRequest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      if (request.kind === "heap-snapshot") {
        for await (const piece of getHeapSnapshot()) yield piece as Uint8Array;
        return;
      }
      const file = await this.#sample(request, signal);
      for (let start = 0; start < file.length; start += PIECE_SIZE) yield file.subarray(start, start + PIECE_SIZE);
    } finally {
      this.#isBusy = false;
    }
  }

  async #sample(
    { kind, seconds }: { readonly kind: "cpu-profile" | "heap-profile"; readonly seconds: number },
    signal: AbortSignal,
  ): Promise<Buffer> {
    // On its own thread a session answers before `post` returns.
    const session = new Session();
    session.connect();
    try {
      if (kind === "cpu-profile") startCpuProfile(session, seconds);
      else startHeapProfile(session);
      await this.#wait(seconds * 1_000, signal);
      signal.throwIfAborted();
      return Buffer.from(JSON.stringify(kind === "cpu-profile" ? stopCpuProfile(session) : stopHeapProfile(session)));
    } finally {
      session.disconnect();
    }
  }

  /** Until the time is over or the signal aborts. */
  #wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimeout(end, ms);
      function end(): void {
        timer.cancel();
        signal.removeEventListener("abort", end);
        resolve();
      }
      signal.addEventListener("abort", end);
      if (signal.aborted) end();
    });
  }
}

function startCpuProfile(session: Session, seconds: number): void {
  const interval = Math.max(SAMPLE_PERIOD_US_MIN, Math.ceil((seconds * 1_000_000) / SAMPLES_MAX));
  session.post("Profiler.enable");
  session.post("Profiler.setSamplingInterval", { interval });
  session.post("Profiler.start");
}

function stopCpuProfile(session: Session): unknown {
  let profile: unknown;
  session.post("Profiler.stop", (error, result) => {
    if (error !== null) throw error;
    profile = result.profile;
  });
  return profile;
}

function startHeapProfile(session: Session): void {
  session.post("HeapProfiler.enable");
  session.post("HeapProfiler.startSampling", { samplingInterval: HEAP_SAMPLE_SIZE });
}

function stopHeapProfile(session: Session): unknown {
  let profile: unknown;
  session.post("HeapProfiler.stopSampling", (error, result) => {
    if (error !== null) throw error;
    profile = result.profile;
  });
  return profile;
}
