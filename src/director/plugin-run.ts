/**
 * What the plugins of a policy do for one request, in the order of their stages; every call is watched by the plugin's
 * guard, so that a request goes on without a plugin that fails.
 *
 *   onRequest ─► produce ─► admit ─► (masks, sessions, custom functions) ─► onPicked ─► onResponse ─► onEnd, once
 */
import { EppError } from "../base/errors.ts";
import type { Candidates, FleetView, PoolView } from "../framework/fleet.ts";
import type { PickedEndpoint } from "../framework/plugin.ts";
import type { HeaderChange, ResponseEnd, ResponseHead } from "../framework/request.ts";
import type { CompiledProfile, RequestStages } from "../scheduling/compiled-policy.ts";
import { BadResult } from "../scheduling/plugin-guard.ts";
import type { SessionUse } from "../wasm/shard-memory.ts";
import type { PluginRequest } from "./request-view.ts";

export class PluginRun {
  readonly view: PluginRequest;
  readonly #stages: RequestStages;
  readonly #fleet: FleetView;
  #isOver = false;

  constructor(stages: RequestStages, view: PluginRequest, fleet: FleetView) {
    this.#stages = stages;
    this.view = view;
    this.#fleet = fleet;
  }

  /** Whether a producer or an admitter looks at the request before it is scheduled. */
  get looksAhead(): boolean {
    return this.#stages.producers.length > 0 || this.#stages.admitters.length > 0;
  }

  onRequest(): void {
    for (const { part, guard } of this.#stages.hooks) {
      if (part.onRequest !== undefined) guard.run(() => part.onRequest?.(this.view), undefined);
    }
  }

  /** A producer that fails leaves its data unset; those after it run. */
  produce(candidates: () => Candidates): void {
    for (const { part, guard } of this.#stages.producers) {
      guard.run(() => part.produce?.(this.view, candidates()), undefined);
    }
  }

  /** The first refusal, if any. */
  admit(pool: PoolView): EppError | undefined {
    for (const { part, guard } of this.#stages.admitters) {
      const refusal = guard.run(() => checkRefusal(part.admit(this.view, pool)), undefined);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  /** Slots by request mask number, for the masks that the profile reads; undefined: the request singles out none. */
  masks({ requestMasks }: CompiledProfile): (readonly number[] | undefined)[] | undefined {
    if (requestMasks.length === 0) return undefined;
    const masks: (readonly number[] | undefined)[] = [];
    for (const number of requestMasks) {
      const mask = this.#stages.requestMasks[number];
      masks[number] = mask?.guard.run(() => mask.part(this.view, this.#fleet)?.map(({ slot }) => slot), undefined);
    }
    return masks;
  }

  /** The request's sessions by number, for those that the profile reads. */
  sessions({ sessions: numbers }: CompiledProfile): (SessionUse | undefined)[] | undefined {
    if (numbers.length === 0) return undefined;
    const sessions: (SessionUse | undefined)[] = [];
    for (const number of numbers) {
      const session = this.#stages.sessions[number];
      const key = session?.guard.run(() => session.part(this.view), undefined);
      if (session === undefined || key === undefined || key === "") continue;
      sessions[number] = { key: `${session.name}\0${key}`, secondsMax: session.secondsMax, binds: true };
    }
    return sessions;
  }

  /** Headers to be set on the request to the server. */
  onPicked(picked: PickedEndpoint): HeaderChange[] {
    const changes: HeaderChange[] = [];
    for (const { part, guard } of this.#stages.hooks) {
      if (part.onPicked === undefined) continue;
      changes.push(...guard.run(() => checkChanges(part.onPicked?.(this.view, picked)), NO_CHANGES));
    }
    return changes;
  }

  /** Headers to be set on the response. */
  onResponse(head: ResponseHead): HeaderChange[] {
    const changes: HeaderChange[] = [];
    for (const { part, guard } of this.#stages.hooks) {
      if (part.onResponse === undefined) continue;
      changes.push(...guard.run(() => checkChanges(part.onResponse?.(this.view, head, this.#fleet)), NO_CHANGES));
    }
    return changes;
  }

  /** Only the first call counts. */
  onEnd(end: ResponseEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const { part, guard } of this.#stages.hooks) {
      if (part.onEnd !== undefined) guard.run(() => part.onEnd?.(this.view, end), undefined);
    }
  }
}

const NO_CHANGES: readonly HeaderChange[] = [];

/** Headers that plugins may not set: they say where a request goes and where its body ends. */
const RESERVED_HEADERS: ReadonlySet<string> = new Set([
  "x-gateway-destination-endpoint",
  "content-length",
  "transfer-encoding",
  "host",
]);
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** Control characters would begin another header. */
const HEADER_VALUE = /^[^\0\r\n]*$/;

/** Checks what a hook returned; throws BadResult for what cannot be set. */
function checkChanges(given: unknown): readonly HeaderChange[] {
  if (given === undefined || given === null) return NO_CHANGES;
  if (!Array.isArray(given)) {
    if (typeof given === "object" && "then" in given) return given as unknown as readonly HeaderChange[];
    throw new BadResult("a hook returned something else than a list of headers");
  }
  for (const change of given as readonly Partial<HeaderChange>[]) {
    const { name, value } = change ?? {};
    if (typeof name !== "string" || !HEADER_NAME.test(name)) {
      throw new BadResult(`a hook returned a header without a lower-case name: ${JSON.stringify(name)}`);
    }
    if (RESERVED_HEADERS.has(name)) throw new BadResult(`a hook returned the header ${name}, which is the picker's`);
    if (typeof value !== "string" || !HEADER_VALUE.test(value)) {
      throw new BadResult(`a hook returned no usable value of header ${name}`);
    }
  }
  return given as readonly HeaderChange[];
}

/** A user's admitter may refuse with a plain object: modules cannot import the picker's classes. */
function checkRefusal(given: unknown): EppError | undefined {
  if (given === undefined || given === null || given instanceof EppError) return given ?? undefined;
  if (typeof given === "object" && "then" in given) return given as unknown as EppError;
  const { code = "ResourceExhausted", message } = given as { code?: unknown; message?: unknown };
  if (isRefusalCode(code) && typeof message === "string") return new EppError(code, message);
  throw new BadResult("admit returned neither undefined nor {code, message} with a code of the table of errors");
}

const REFUSAL_CODES = [
  "ResourceExhausted",
  "ServiceUnavailable",
  "BadRequest",
  "Unauthorized",
  "Forbidden",
  "NotFound",
] as const;

function isRefusalCode(code: unknown): code is (typeof REFUSAL_CODES)[number] {
  return (REFUSAL_CODES as readonly unknown[]).includes(code);
}
