/**
 * One request from its headers to the end of its stream, and the one place where what it claimed is returned.
 *
 *   receiving ──complete──► deciding ──picked──► routed ──finish──► finished
 *       │                      │  └─no endpoint─► refused ─finish──►    ▲
 *       └──fault─► refused     └──────finish (charge is returned when the decision comes)
 *
 * It claims a stream window while the body arrives and is decided, and a charge on the picked endpoint from the pick to
 * the end of the stream. `finish` may come at any time, from any cause, and more than once.
 */
import { EppError } from "../base/errors.ts";
import type { ParserDefinition } from "../parsing/parser.ts";
import { refuseBody } from "../parsing/scan-faults.ts";
import type { Pick } from "../wasm/shard-memory.ts";
import type { DirectorContext } from "./context.ts";
import type { Decision } from "./decision-queue.ts";

export type Outcome = Pick | EppError;

type State = "receiving" | "deciding" | "routed" | "refused" | "finished";

export class InferenceRequest {
  readonly #context: DirectorContext;
  readonly #parser: ParserDefinition | undefined;
  readonly #requestId: string;
  readonly #policy: number;
  readonly #receivedAtMs: number;
  #state: State = "receiving";
  #window: number | undefined;
  #bodySize = 0;
  #model: string | undefined;
  #pick: Pick | undefined;

  constructor(context: DirectorContext, options: { parser: ParserDefinition | undefined; requestId: string }) {
    this.#context = context;
    this.#parser = options.parser;
    this.#requestId = options.requestId;
    this.#policy = context.memory.activePolicy;
    this.#receivedAtMs = context.clock.nowMs();
  }

  /** Takes the next bytes of the body. Returns why the request is refused, if it is. */
  feed(bytes: Buffer, isLast: boolean): EppError | undefined {
    if (this.#state !== "receiving") return undefined;
    this.#bodySize += bytes.length;
    const { requestBodySizeMax } = this.#context.limits;
    if (this.#bodySize > requestBodySizeMax) {
      return this.#refuse(new EppError("PayloadTooLarge", `request body is larger than ${requestBodySizeMax} bytes`));
    }
    if (this.#parser === undefined) return undefined;
    this.#window ??= this.#context.memory.acquireWindow(this.#parser.api, this.#policy);
    if (this.#window === undefined) {
      const message = "too many request bodies are arriving at once; try again";
      return this.#refuse(new EppError("ResourceExhausted", message, { droppedReason: "rejected-saturated" }));
    }
    const fault = this.#context.memory.feed(this.#window, bytes, isLast);
    return fault === undefined ? undefined : this.#refuse(refuseBody(fault));
  }

  /** The body is complete: checks what it must have and asks for a decision, which comes within this event-loop turn. */
  complete(answer: (outcome: Outcome) => void): void {
    if (this.#state !== "receiving") return;
    const missing = this.#readFacts();
    if (missing !== undefined) {
      answer(this.#refuse(new EppError("BadRequest", missing)));
      return;
    }
    this.#state = "deciding";
    const { prng, decisions, clock } = this.#context;
    const completedAtMs = clock.nowMs();
    const seed = { seedLow: prng.nextU32(), seedHigh: prng.nextU32() };
    decisions.push({ window: this.#window, policy: this.#policy, ...seed }, (decision) => {
      this.#releaseWindow();
      const outcome = this.#take(decision);
      if (this.#state === "finished") return;
      if (!(outcome instanceof EppError)) this.#report(outcome, decision, completedAtMs);
      answer(outcome);
    });
  }

  /** The stream is over, for whatever reason: returns everything that is still claimed. */
  finish(): void {
    if (this.#state === "finished") return;
    const wasDeciding = this.#state === "deciding";
    this.#state = "finished";
    if (wasDeciding) return;
    this.#releaseWindow();
    this.#releaseCharge();
  }

  #readFacts(): string | undefined {
    if (this.#parser === undefined || this.#window === undefined) return undefined;
    const facts = this.#context.memory.facts(this.#window);
    this.#model = facts.model;
    return this.#parser.findMissing(facts);
  }

  #take(decision: Decision): Outcome {
    this.#pick = decision.pick;
    if (this.#state === "finished") {
      this.#releaseCharge();
    } else if (decision.pick === undefined) {
      const message = "failed to find endpoint candidates for serving the request";
      return this.#refuse(new EppError("ServiceUnavailable", message, { droppedReason: "rejected-no-endpoints" }));
    } else {
      this.#state = "routed";
    }
    return decision.pick ?? new EppError("ServiceUnavailable", "the request is over");
  }

  #refuse(error: EppError): EppError {
    this.#state = "refused";
    this.#releaseWindow();
    return error;
  }

  #report(pick: Pick, decision: Decision, completedAtMs: number): void {
    const { clock, onUnknownName, onDecision } = this.#context;
    if (pick.nameNumber === 0 && this.#model !== undefined) onUnknownName(this.#model);
    if (onDecision === undefined) return;
    const nowMs = clock.nowMs();
    onDecision({
      requestId: this.#requestId,
      model: this.#model,
      pick,
      policy: this.#policy,
      batchSize: decision.batchSize,
      decisionMs: decision.batchMs / decision.batchSize,
      pickMs: nowMs - completedAtMs,
      requestMs: nowMs - this.#receivedAtMs,
    });
  }

  #releaseWindow(): void {
    if (this.#window === undefined) return;
    this.#context.memory.releaseWindow(this.#window);
    this.#window = undefined;
  }

  #releaseCharge(): void {
    if (this.#pick === undefined) return;
    this.#context.memory.release(this.#pick);
    this.#pick = undefined;
  }
}
