/**
 * Questions of the control thread to another thread, for people who look inside: profiles and plugin states. The answer
 * comes in pieces, the next one when the last has been taken, so that a slow reader fills no memory.
 *
 *   control thread                          other thread
 *   ask ───── {id, query} ───────────────►  answer(query)
 *       ◄──── piece (transferred) ────────    │
 *       ───── more ──────────────────────►    │  … or cancel, which aborts its signal
 *       ◄──── end / busy / failed ────────  ◄─┘
 */
import type { MessagePort } from "node:worker_threads";
import { messageOf } from "../base/errors.ts";
import type { CaptureRequest } from "./thread-profiler.ts";

export type ThreadQuery =
  | CaptureRequest
  /** A sign of life: an answer without pieces. */
  | { readonly kind: "ping" }
  /** JSON of plugins' states (framework/plugin-states.ts). */
  | { readonly kind: "plugin-states" }
  /** JSON list: blocks that each slot is taken to hold. Known to the index writer only. */
  | { readonly kind: "blocks-held" };

type ToThread =
  | { readonly id: number; readonly kind: "query"; readonly query: ThreadQuery }
  | { readonly id: number; readonly kind: "more" | "cancel" };

type FromThread =
  | { readonly id: number; readonly kind: "piece"; readonly bytes: Uint8Array }
  | { readonly id: number; readonly kind: "end" }
  | { readonly id: number; readonly kind: "busy" }
  | { readonly id: number; readonly kind: "failed"; readonly message: string };

/** Why a thread gave no answer, or only the beginning of one. */
export class ThreadQueryError extends Error {
  override readonly name = "ThreadQueryError";
  /** `busy`: one capture at a time. `ended`: the thread is gone. `failed`: the message says why. */
  readonly code: "busy" | "ended" | "failed";

  constructor(code: "busy" | "ended" | "failed", message: string) {
    super(message);
    this.code = code;
  }
}

/** A thread that can be asked. */
export interface QueriedThread {
  /** As operators name it: `control`, `shard-0`, `index-writer`. */
  readonly name: string;
  /** The answer in pieces. Throws a ThreadQueryError. Leaving the iteration, or the signal, cancels the query. */
  ask(query: ThreadQuery, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** The pieces of an answer; undefined when another one has to end first. */
export type AnswerQuery = (query: ThreadQuery, signal: AbortSignal) => AsyncIterable<Uint8Array> | undefined;

/** The asking thread itself, without a port between. */
export function localThread(name: string, answer: AnswerQuery): QueriedThread {
  return {
    name,
    async *ask(query, signal) {
      const pieces = answer(query, signal);
      if (pieces === undefined) throw busyError(name);
      yield* pieces;
    },
  };
}

/** The asking side of a port. Closing the port ends what is under way. */
export class RemoteThread implements QueriedThread {
  readonly name: string;
  readonly #port: MessagePort;
  readonly #listeners = new Map<number, (message: FromThread | undefined) => void>();
  readonly #wake: () => void;
  #askedCount = 0;
  #isClosed = false;

  /** `wake`: called after each message, for a thread that sleeps without looking at its port. */
  constructor(name: string, port: MessagePort, wake: () => void = () => undefined) {
    this.name = name;
    this.#port = port;
    this.#wake = wake;
    port.on("message", (message: FromThread) => this.#listeners.get(message.id)?.(message));
    port.on("close", () => {
      this.#isClosed = true;
      for (const listener of this.#listeners.values()) listener(undefined);
    });
    port.unref();
  }

  async *ask(query: ThreadQuery, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const id = this.#askedCount++;
    const send = (message: ToThread): void => {
      this.#port.postMessage(message);
      this.#wake();
    };
    let isOver = false;
    const next = this.#answers(id);
    // A thread that is stuck would never say that it has stopped.
    const cancel = (): void => {
      send({ id, kind: "cancel" });
      this.#listeners.get(id)?.({ id, kind: "failed", message: "cancelled" });
    };
    signal.addEventListener("abort", cancel);
    try {
      if (this.#isClosed) throw new ThreadQueryError("ended", `${this.name} is not running`);
      send({ id, kind: "query", query });
      while (true) {
        const message = await next();
        isOver = message?.kind !== "piece";
        if (message === undefined) throw new ThreadQueryError("ended", `${this.name} ended before its answer did`);
        if (message.kind === "end") return;
        if (message.kind === "busy") throw busyError(this.name);
        if (message.kind === "failed") throw new ThreadQueryError("failed", `${this.name}: ${message.message}`);
        yield message.bytes;
        send({ id, kind: "more" });
      }
    } finally {
      signal.removeEventListener("abort", cancel);
      this.#listeners.delete(id);
      if (!isOver && !this.#isClosed) cancel();
    }
  }

  close(): void {
    this.#port.close();
  }

  /** Gives the messages of one answer, one per call; undefined when the port is closed. There is at most one ahead. */
  #answers(id: number): () => Promise<FromThread | undefined> {
    let [take, ready] = newSlot<FromThread | undefined>();
    this.#listeners.set(id, (message) => take(message));
    return async () => {
      const message = await ready;
      [take, ready] = newSlot();
      if (this.#isClosed) take(undefined);
      return message;
    };
  }
}

export interface ServedQueries {
  /** Answers under way. */
  readonly runningCount: number;
}

/** The answering side: serves the port until it is closed. It does not keep the thread alive. */
export function serveQueries(port: MessagePort, answer: AnswerQuery): ServedQueries {
  const running = new Map<number, { readonly abort: AbortController; more: () => void }>();
  const send = (message: FromThread, transfer: readonly ArrayBuffer[] = []): void => {
    port.postMessage(message, transfer);
  };
  const run = async (id: number, query: ThreadQuery): Promise<void> => {
    const state = { abort: new AbortController(), more: (): void => undefined };
    running.set(id, state);
    try {
      const pieces = answer(query, state.abort.signal);
      if (pieces === undefined) return send({ id, kind: "busy" });
      for await (const piece of pieces) {
        const more = new Promise<void>((resolve) => {
          state.more = resolve;
        });
        // A copy of its own: a piece may be a view of a buffer that is used again.
        const bytes = new Uint8Array(piece);
        send({ id, kind: "piece", bytes }, [bytes.buffer]);
        await more;
        if (state.abort.signal.aborted) return send({ id, kind: "failed", message: "cancelled" });
      }
      send({ id, kind: "end" });
    } catch (error) {
      send({ id, kind: "failed", message: messageOf(error) });
    } finally {
      running.delete(id);
    }
  };
  port.on("message", (message: ToThread) => {
    if (message.kind === "query") return void run(message.id, message.query);
    if (message.kind === "cancel") running.get(message.id)?.abort.abort();
    running.get(message.id)?.more();
  });
  port.on("close", () => {
    for (const { abort, more } of running.values()) {
      abort.abort();
      more();
    }
  });
  port.unref();
  return {
    get runningCount() {
      return running.size;
    },
  };
}

/** A promise, and what resolves it. */
function newSlot<Value>(): [(value: Value) => void, Promise<Value>] {
  let resolve: (value: Value) => void = () => undefined;
  const promise = new Promise<Value>((done) => {
    resolve = done;
  });
  return [resolve, promise];
}

function busyError(name: string): ThreadQueryError {
  return new ThreadQueryError("busy", `a capture of ${name} is under way; one at a time`);
}
