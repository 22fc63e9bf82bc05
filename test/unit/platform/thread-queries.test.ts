import { once } from "node:events";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import {
  type AnswerQuery,
  localThread,
  RemoteThread,
  serveQueries,
  type ThreadQuery,
} from "../../../src/platform/thread-queries.ts";
import { until } from "../../support/until.ts";

const QUERY: ThreadQuery = { kind: "plugin-states" };
const ports: MessagePort[] = [];

afterEach(() => {
  for (const port of ports.splice(0)) port.close();
});

function connect(answer: AnswerQuery): { remote: RemoteThread; port: MessagePort } {
  const { port1, port2 } = new MessageChannel();
  ports.push(port1, port2);
  serveQueries(port2, answer);
  return { remote: new RemoteThread("shard-0", port1), port: port2 };
}

const never = (): AbortSignal => new AbortController().signal;

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<string[]> {
  const collected: string[] = [];
  for await (const piece of pieces) collected.push(Buffer.from(piece).toString());
  return collected;
}

async function* texts(...pieces: string[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece);
}

/** Gives pieces for ever; says how many were made and whether the iteration has ended. */
function endless(): { answer: AnswerQuery; made: () => number; isOver: () => boolean } {
  let made = 0;
  let isOver = false;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      while (true) yield Buffer.from(String(made++));
    } finally {
      isOver = true;
    }
  }
  return { answer: () => pieces(), made: () => made, isOver: () => isOver };
}

describe("a query of another thread", () => {
  it("gets the pieces in order, and the query arrives as it was asked", async () => {
    const asked: ThreadQuery[] = [];
    const { remote } = connect((query) => {
      asked.push(query);
      return texts("a", "b", "c");
    });
    expect(await collect(remote.ask({ kind: "cpu-profile", seconds: 3 }, never()))).toEqual(["a", "b", "c"]);
    expect(asked).toEqual([{ kind: "cpu-profile", seconds: 3 }]);
  });

  it("an answer without pieces ends", async () => {
    const { remote } = connect(() => texts());
    expect(await collect(remote.ask(QUERY, never()))).toEqual([]);
  });

  it("several at once are told apart", async () => {
    const { remote } = connect((query) => texts(query.kind, query.kind));
    const kinds = ["plugin-states", "heap-snapshot", "plugin-states"] as const;
    const answers = await Promise.all(kinds.map((kind) => collect(remote.ask({ kind }, never()))));
    expect(answers).toEqual(kinds.map((kind) => [kind, kind]));
  });

  it("pieces are made no faster than they are taken", async () => {
    const { answer, made, isOver } = endless();
    const { remote } = connect(answer);
    for await (const piece of remote.ask(QUERY, never())) {
      expect(made()).toBeLessThanOrEqual(Number(Buffer.from(piece).toString()) + 1);
      if (made() >= 20) break;
    }
    await until("the answer is given up", isOver);
    expect(made()).toBeLessThanOrEqual(21);
  });

  it("bytes of a piece that is used again arrive as they were", async () => {
    const shared = Buffer.alloc(1);
    const { remote } = connect(async function* pieces() {
      for (const letter of "abc") {
        shared.write(letter);
        yield shared;
      }
    });
    expect(await collect(remote.ask(QUERY, never()))).toEqual(["a", "b", "c"]);
  });

  it("a thread that is busy says so", async () => {
    const { remote } = connect(() => undefined);
    await expect(collect(remote.ask(QUERY, never()))).rejects.toMatchObject({
      code: "busy",
      message: "a capture of shard-0 is under way; one at a time",
    });
  });

  it("what the thread throws is the reason of the failure, after the pieces before it", async () => {
    const { remote } = connect(async function* pieces() {
      yield Buffer.from("a");
      throw new Error("out of paper");
    });
    const got: string[] = [];
    const read = async (): Promise<void> => {
      for await (const piece of remote.ask(QUERY, never())) got.push(Buffer.from(piece).toString());
    };
    await expect(read()).rejects.toMatchObject({ code: "failed", message: "shard-0: out of paper" });
    expect(got).toEqual(["a"]);
  });

  it("the asker's signal ends an answer that waits for something else", async () => {
    const abort = new AbortController();
    const { remote } = connect(async function* pieces(_query, signal) {
      yield Buffer.from("a");
      if (!signal.aborted) await once(signal, "abort");
      throw new Error("stopped");
    });
    const pieces = remote.ask(QUERY, abort.signal)[Symbol.asyncIterator]();
    await pieces.next();
    const rest = pieces.next();
    abort.abort();
    await expect(rest).rejects.toMatchObject({ code: "failed", message: "shard-0: cancelled" });
  });

  it("the asker's signal ends the waiting for a thread that is stuck", async () => {
    const abort = new AbortController();
    const { remote } = connect(async function* pieces() {
      await new Promise(() => undefined);
      yield Buffer.from("never");
    });
    const first = remote.ask(QUERY, abort.signal)[Symbol.asyncIterator]().next();
    abort.abort();
    await expect(first).rejects.toMatchObject({ code: "failed", message: "shard-0: cancelled" });
  });

  it("the asker's signal ends an answer that waits for the asker", async () => {
    const abort = new AbortController();
    const { answer, isOver } = endless();
    const { remote } = connect(answer);
    const pieces = remote.ask(QUERY, abort.signal)[Symbol.asyncIterator]();
    await pieces.next();
    abort.abort();
    await until("the answer is given up", isOver);
    await expect(pieces.next()).rejects.toMatchObject({ code: "failed", message: "shard-0: cancelled" });
  });

  it("a thread that ends in the middle of its answer is an error, and so is one that has ended before", async () => {
    const { answer } = endless();
    const { remote, port } = connect(answer);
    const read = async (): Promise<void> => {
      for await (const piece of remote.ask(QUERY, never())) if (piece.length > 0) port.close();
    };
    await expect(read()).rejects.toMatchObject({ code: "ended", message: "shard-0 ended before its answer did" });
    await expect(collect(remote.ask(QUERY, never()))).rejects.toMatchObject({
      code: "ended",
      message: "shard-0 is not running",
    });
  });
});

describe("a query of the own thread", () => {
  it("gets the pieces, or says that it is busy", async () => {
    expect(await collect(localThread("control", () => texts("a", "b")).ask(QUERY, never()))).toEqual(["a", "b"]);
    await expect(collect(localThread("control", () => undefined).ask(QUERY, never()))).rejects.toMatchObject({
      code: "busy",
      message: "a capture of control is under way; one at a time",
    });
  });
});
