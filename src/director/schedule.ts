/**
 * Schedules one request: runs the profiles that its policy's handler asks for, and says which result is the answer. A
 * handler that neither names nor finishes is one pick; one that does gets the results of each round before it names
 * the next.
 *
 *   picks of a round ──(one batch)──► results ──handler──► next round … ──► the handler's choice
 */
import { EppError } from "../base/errors.ts";
import type { ProfileResult } from "../framework/plugin.ts";
import type { HeaderChange } from "../framework/request.ts";
import type { CompiledPolicy } from "../scheduling/compiled-policy.ts";
import type { NoPick, Pick } from "../wasm/shard-memory.ts";
import type { Decision, DecisionQueue, QueuedPick } from "./decision-queue.ts";
import type { PluginRun } from "./plugin-run.ts";

/** Rounds that a handler may ask for. Disaggregation takes three; a handler without an end must not hold a request. */
export const ROUNDS_MAX = 8;

/** What scheduling came to. All picks are charged, whatever the outcome; the caller releases each. */
export interface Scheduled {
  readonly picks: readonly Pick[];
  /** The pick that is the answer, and the position of its profile. */
  readonly outcome: { readonly pick: Pick; readonly profile: number } | EppError;
  /** The decision that made the answer, or found none; undefined when none was made or chosen. */
  readonly decision: Decision | undefined;
  /** What the handler tells the server besides. */
  readonly headers: readonly HeaderChange[];
}

export interface ScheduleOptions {
  readonly policy: CompiledPolicy;
  readonly decisions: DecisionQueue;
  readonly plugins: PluginRun;
  /** The pick of one profile, by its position. */
  readonly pickOf: (profile: number) => Omit<QueuedPick, "onDecided">;
  /** The request has ended meanwhile: no further round is worth it. */
  readonly isOver: () => boolean;
  readonly onScheduled: (scheduled: Scheduled) => void;
}

export function schedule(options: ScheduleOptions): void {
  const { policy, plugins, decisions, pickOf, onScheduled } = options;
  const handler = policy.profileHandler.part;
  if (handler.nextProfiles === undefined && handler.finish === undefined) {
    decisions.push({ ...pickOf(0), onDecided: (decision) => onScheduled(onlyResult(decision)) });
    return;
  }
  new ProfileRounds(options, plugins).next();
}

const NO_HEADERS: readonly HeaderChange[] = [];

/** What comes of the only pick of a request. */
export function onlyResult(decision: Decision): Scheduled {
  const { decided } = decision;
  if (decided.kind !== "picked") return { picks: [], outcome: refusalOf(decided), decision, headers: NO_HEADERS };
  return { picks: [decided], outcome: { pick: decided, profile: 0 }, decision, headers: NO_HEADERS };
}

/** 503: nobody is there. 429: there are endpoints, and the filters let none of them through. */
function refusalOf({ kind }: NoPick): EppError {
  if (kind === "no-endpoints") {
    const message = "failed to find endpoint candidates for serving the request";
    return new EppError("ServiceUnavailable", message, { droppedReason: "rejected-no-endpoints" });
  }
  const message = "no endpoints available for the given request";
  return new EppError("ResourceExhausted", message, { droppedReason: "rejected-saturated" });
}

class ProfileRounds {
  readonly #options: ScheduleOptions;
  readonly #plugins: PluginRun;
  readonly #names: readonly string[];
  readonly #decisions = new Map<string, Decision>();
  readonly #results = new Map<string, ProfileResult | undefined>();
  #roundCount = 0;

  constructor(options: ScheduleOptions, plugins: PluginRun) {
    this.#options = options;
    this.#plugins = plugins;
    this.#names = options.policy.profiles.map(({ name }) => name);
  }

  /** Asks the handler for the next round, and runs it or ends. */
  next(): void {
    if (this.#options.isOver()) return this.#fail("the request is over");
    const names = this.#askHandler();
    if (names instanceof EppError) return this.#refuse(names);
    if (names === undefined) return this.#fail("the profile handler failed");
    if (names.length === 0) return this.#finish();
    if (++this.#roundCount > ROUNDS_MAX)
      return this.#fail(`the profile handler asks for more than ${ROUNDS_MAX} rounds`);
    const unknown = names.find((name) => !this.#names.includes(name));
    if (unknown !== undefined) return this.#fail(`the profile handler names a profile "${unknown}"; there is none`);
    const repeated = names.find((name) => this.#results.has(name));
    if (repeated !== undefined) return this.#fail(`the profile handler runs the profile "${repeated}" twice`);
    this.#run([...new Set(names)]);
  }

  /** A handler refuses a request by throwing an EppError; anything else that it throws is a failure. */
  #askHandler(): readonly string[] | EppError | undefined {
    const { part: handler, guard } = this.#options.policy.profileHandler;
    return guard.run<readonly string[] | EppError | undefined>(() => {
      try {
        // A handler that only finishes runs the only profile.
        if (handler.nextProfiles === undefined) return this.#results.size === 0 ? this.#names.slice(0, 1) : [];
        return handler.nextProfiles(this.#plugins.view, this.#names, this.#results);
      } catch (error) {
        if (error instanceof EppError) return error;
        throw error;
      }
    }, undefined);
  }

  /** All picks of a round are pushed in one turn, so that they are decided together. */
  #run(names: readonly string[]): void {
    let openCount = names.length;
    for (const name of names) {
      const onDecided = (decision: Decision): void => {
        this.#decisions.set(name, decision);
        this.#results.set(name, resultOf(decision));
        openCount--;
        if (openCount === 0) this.next();
      };
      this.#options.decisions.push({ ...this.#options.pickOf(this.#names.indexOf(name)), onDecided });
    }
  }

  #finish(): void {
    const { part: handler, guard } = this.#options.policy.profileHandler;
    const choice = guard.run(() => handler.finish?.(this.#plugins.view, this.#results), undefined);
    const primaryProfile = choice?.primaryProfile ?? this.#onlyProfile();
    if (primaryProfile === undefined) return this.#fail("the profile handler chose no profile");
    const decision = this.#decisions.get(primaryProfile);
    if (decision === undefined) return this.#fail(`the profile handler chose "${primaryProfile}", which did not run`);
    const { decided } = decision;
    const profile = this.#names.indexOf(primaryProfile);
    this.#options.onScheduled({
      picks: this.#picks(),
      outcome: decided.kind === "picked" ? { pick: decided, profile } : refusalOf(decided),
      decision,
      headers: choice?.headers ?? NO_HEADERS,
    });
  }

  /** The profile that ran, for a handler without a choice. */
  #onlyProfile(): string | undefined {
    return this.#decisions.size === 1 ? [...this.#decisions.keys()][0] : undefined;
  }

  /** As in the Go picker, what a handler cannot do is a scheduling error, and that is a 429. */
  #fail(message: string): void {
    this.#refuse(new EppError("ResourceExhausted", `failed to find target endpoint: ${message}`));
  }

  #refuse(outcome: EppError): void {
    this.#options.onScheduled({ picks: this.#picks(), outcome, decision: undefined, headers: NO_HEADERS });
  }

  #picks(): Pick[] {
    return [...this.#decisions.values()].flatMap(({ decided }) => (decided.kind === "picked" ? [decided] : []));
  }
}

function resultOf({ decided }: Decision): ProfileResult | undefined {
  if (decided.kind !== "picked") return undefined;
  const { targets, slot, matchedBlocks, blockCount } = decided;
  return { targets, slot, matchedBlocks, blockCount };
}
