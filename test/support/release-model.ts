/**
 * The plain account of what conversations hold, next to a real shard: each step is made on both, and `check` compares.
 * A stream holds a window from its first read byte to its decision, and a charge from its decision to its end, its
 * tokens to the first byte of the answer; a stream that leaves while it is being decided gives its window back at the
 * decision. A body that has begun holds a slab until its stream is decided or over.
 *
 *   headers ─► body ─► deciding ─► routed ─► over       any state ─► over by refusal, cancellation, half-close, failure
 */
import { expect } from "vitest";
import type { Prng } from "../../src/base/prng.ts";
import type { TestShard, TestStream } from "./conversation.ts";
import { readRequestAnswer, requestHeaders } from "./ext-proc-messages.ts";
import { drawPlan, type RequestPlan } from "./request-plans.ts";

/** How a conversation ended. */
export type End = "refused 400" | "refused 413" | "refused 429" | "answered" | "half-closed" | "cancelled" | "failed";

export interface ModelLimits {
  readonly endpointCount: number;
  readonly windowCount: number;
  readonly bodySizeMax: number;
  readonly blockSize: number;
  /** Messages come in pieces: then a body may be refused before its size is known. */
  readonly cutsMessages: boolean;
}

interface Charge {
  readonly slot: number;
  readonly tokens: number;
}

export class ModelStream {
  readonly stream: TestStream;
  readonly plan: RequestPlan;
  readonly requestId: string;
  state: "headers" | "body" | "deciding" | "routed" | "over" = "headers";
  hasWindow = false;
  charge: Charge | undefined;
  end: End | undefined;
  isHalfClosed = false;
  piecesSent = 0;
  sizeSent = 0;

  constructor(stream: TestStream, plan: RequestPlan, requestId: string) {
    this.stream = stream;
    this.plan = plan;
    this.requestId = requestId;
  }
}

export class ReleaseModel {
  readonly #shard: TestShard;
  readonly #limits: ModelLimits;
  readonly #prng: Prng;
  #open: ModelStream[] = [];
  #deciding: ModelStream[] = [];
  #opened = 0;
  readonly ends: Map<End, number> = new Map();

  constructor(shard: TestShard, limits: ModelLimits, prng: Prng) {
    this.#shard = shard;
    this.#limits = limits;
    this.#prng = prng;
  }

  get openCount(): number {
    return this.#open.length;
  }

  open(): void {
    const plan = drawPlan(this.#prng, this.#limits.bodySizeMax);
    this.#open.push(new ModelStream(this.#shard.open(), plan, `request-${this.#opened++}`));
  }

  /** One step of one open stream: mostly the next message of its plan, sometimes what no plan has. */
  step(): void {
    if (this.#open.length === 0) return;
    const subject = this.#open[this.#prng.nextBelow(this.#open.length)] as ModelStream;
    const draw = this.#prng.nextBelow(100);
    if (draw < 3) this.#cancel(subject);
    else if (draw < 6) this.#halfClose(subject);
    else if (draw < 8) this.#failWith(subject, () => subject.stream.sendBytes(Buffer.alloc(16, 0xff)));
    else if (draw < 10) this.#disturb(subject);
    else if (draw < 15) this.#sendResponse(subject);
    else this.#proceed(subject);
  }

  /** The end of an event-loop turn: everything that is being decided is decided. */
  turn(): void {
    this.#shard.turn();
    for (const subject of this.#deciding.splice(0)) {
      subject.hasWindow = false;
      if (subject.state === "over") continue;
      subject.charge = this.#readCharge(subject);
      subject.state = "routed";
      if (subject.isHalfClosed) this.#over(subject, "answered");
    }
  }

  /** All streams go at once, as when a connection breaks. */
  cancelAll(): void {
    for (const subject of [...this.#open]) this.#cancel(subject);
  }

  /** Compares what the shard holds with what it must hold. */
  check(): void {
    const { endpointCount, windowCount } = this.#limits;
    const { counters } = this.#shard;
    const slots = Array.from({ length: endpointCount }, (_, slot) => slot);
    const charges = slots.map((slot) => this.#open.flatMap(({ charge }) => (charge?.slot === slot ? [charge] : [])));
    expect({
      freeWindows: this.#shard.freeWindowCount(),
      slabsTaken: this.#shard.slabsTaken,
      openStreams: this.#shard.streamsOpen,
      requestsInFlight: slots.map((slot) => counters.inFlightRequests(slot)),
      tokensInFlight: slots.map((slot) => counters.inFlightTokens(slot)),
    }).toEqual({
      freeWindows: windowCount - this.#windowsHeld(),
      slabsTaken: this.#open.filter(({ state, sizeSent }) => HOLDS_BODY.has(state) && sizeSent > 0).length,
      openStreams: this.#open.length,
      requestsInFlight: charges.map((list) => list.length),
      tokensInFlight: charges.map((list) => list.reduce((sum, { tokens }) => sum + tokens, 0)),
    });
  }

  #proceed(subject: ModelStream): void {
    const { stream, plan } = subject;
    switch (subject.state) {
      case "headers":
        stream.send(requestHeaders({ path: plan.path, requestId: subject.requestId, endOfStream: !plan.body }));
        subject.state = "body";
        if (plan.body === undefined) this.#decide(subject);
        break;
      case "body":
        this.#sendBody(subject);
        break;
      case "deciding":
        this.turn();
        break;
      default:
        this.#halfClose(subject);
    }
    expect(stream.state, `stream ${subject.requestId}`).toBe(EXPECTED_STATES[subject.end ?? "none"]);
  }

  #sendBody(subject: ModelStream): void {
    const { pieces, endsWithTrailers } = subject.plan.body ?? { pieces: [], endsWithTrailers: false };
    const piece = pieces[subject.piecesSent];
    if (piece === undefined) {
      subject.stream.send({ kind: "requestTrailers", headers: [] });
      this.#endBody(subject);
      return;
    }
    subject.piecesSent++;
    subject.sizeSent += piece.length;
    const isLast = subject.piecesSent === pieces.length && !endsWithTrailers;
    const hasRoom = this.#windowsHeld() < this.#limits.windowCount;
    subject.stream.send({ kind: "requestBody", body: piece, endOfStream: isLast });
    if (subject.sizeSent > this.#limits.bodySizeMax) {
      const lacksWindow = subject.plan.promptSize !== undefined && !subject.hasWindow && !hasRoom;
      return this.#refused(subject, lacksWindow && this.#limits.cutsMessages ? this.#statusOf(subject) : 413);
    }
    if (subject.plan.promptSize !== undefined && !subject.hasWindow) {
      if (!hasRoom) return this.#refused(subject, 429);
      subject.hasWindow = true;
    }
    const { fault } = subject.plan;
    if (fault?.isSeenAt === "first byte" && subject.sizeSent > 0) return this.#refused(subject, fault.status);
    if (isLast) this.#endBody(subject);
  }

  #endBody(subject: ModelStream): void {
    const { fault, body } = subject.plan;
    const size = body?.pieces.reduce((sum, piece) => sum + piece.length, 0) ?? 0;
    const isCut = subject.sizeSent < size;
    // A body of which nothing came at all is none: nothing was read, so nothing is missed.
    if (subject.hasWindow && (fault !== undefined || isCut)) this.#refused(subject, fault?.status ?? 400);
    else this.#decide(subject);
  }

  #decide(subject: ModelStream): void {
    subject.state = "deciding";
    this.#deciding.push(subject);
  }

  /** What no proxy does. Before the headers there is nothing that could come twice. */
  #disturb(subject: ModelStream): void {
    if (subject.state === "body") this.#failWith(subject, () => subject.stream.send(requestHeaders()));
    else if (this.#prng.nextBelow(2) === 0) {
      this.#failWith(subject, () => subject.stream.send({ kind: "requestTrailers", headers: [] }));
    } else {
      this.#failWith(subject, () => subject.stream.send({ kind: "requestBody", body: Buffer.from("{}") }));
    }
  }

  /** A response message is answered in any state. The first one returns the prompt's tokens: it is computed. */
  #sendResponse(subject: ModelStream): void {
    const { stream } = subject;
    const before = stream.answers.length;
    stream.send({ kind: "responseBody", body: Buffer.from("data: x\n\n") });
    expect(stream.answers.length).toBe(before + 1);
    if (subject.charge !== undefined) subject.charge = { ...subject.charge, tokens: 0 };
  }

  #cancel(subject: ModelStream): void {
    subject.stream.cancel();
    this.#over(subject, "cancelled");
  }

  #failWith(subject: ModelStream, send: () => void): void {
    send();
    this.#over(subject, "failed");
    expect(subject.stream.state).toBe("failed");
  }

  /** Ends a body that has no end yet; a stream that owes an answer ends with it. */
  #halfClose(subject: ModelStream): void {
    subject.stream.halfClose();
    subject.isHalfClosed = true;
    if (subject.state === "body") this.#endBody(subject);
    else if (subject.state !== "deciding") this.#over(subject, subject.state === "routed" ? "answered" : "half-closed");
  }

  /** Of a refusal for its size or for want of a window, whichever came first. */
  #statusOf({ stream }: ModelStream): 413 | 429 {
    const last = stream.answers.at(-1);
    return last?.kind === "immediateResponse" && last.immediate.status === 429 ? 429 : 413;
  }

  #refused(subject: ModelStream, status: number): void {
    this.#over(subject, `refused ${status}` as End);
    const last = subject.stream.answers.at(-1);
    expect(last?.kind === "immediateResponse" && last.immediate.status, subject.requestId).toBe(status);
  }

  #over(subject: ModelStream, end: End): void {
    // Until it is decided, a request that is gone keeps its window: the decision reads it.
    if (subject.state !== "deciding") subject.hasWindow = false;
    subject.state = "over";
    subject.end = end;
    subject.charge = undefined;
    this.#open = this.#open.filter((other) => other !== subject);
    this.ends.set(end, (this.ends.get(end) ?? 0) + 1);
  }

  /** What the answer and the decision say was charged, held against the prompt's size. */
  #readCharge({ stream, plan, requestId, piecesSent }: ModelStream): Charge {
    const answers = stream.answers.filter(({ kind }) => kind !== "responseBody");
    const answer = readRequestAnswer(answers);
    const pick = this.#shard.decisions.findLast((decision) => decision.requestId === requestId)?.pick;
    if (answer.kind !== "routed" || pick === undefined) throw new Error(`${requestId} was not routed`);
    expect(answer.destination).toBe(`10.0.0.${pick.slot}:8000`);
    expect(
      answer.body.equals(Buffer.concat(plan.body?.pieces.slice(0, piecesSent) ?? [])),
      `body of ${requestId}`,
    ).toBe(true);
    const size = piecesSent > 0 ? (plan.promptSize ?? 0) : 0;
    expect(pick.blockCount, `blocks of ${requestId}`).toBe(Math.ceil(size / this.#limits.blockSize));
    const uncached = Math.max(0, size - pick.matchedBlocks * this.#limits.blockSize);
    return { slot: pick.slot, tokens: Math.ceil(uncached / 4) };
  }

  #windowsHeld(): number {
    return new Set([...this.#open, ...this.#deciding].filter(({ hasWindow }) => hasWindow)).size;
  }
}

/** Bodies are smaller than a slab. */
const HOLDS_BODY: ReadonlySet<ModelStream["state"]> = new Set(["body", "deciding"]);

const EXPECTED_STATES: Readonly<Record<End | "none", TestStream["state"]>> = {
  none: "open",
  answered: "ended",
  "half-closed": "ended",
  "refused 400": "ended",
  "refused 413": "ended",
  "refused 429": "ended",
  cancelled: "cancelled",
  failed: "failed",
};
