/** What the picker reads from a request's headers, in one walk over them. */
import type { TraceCarrier } from "../director/request-metrics.ts";
import { findHeaders, type HeaderBytes, HeaderNames } from "../wire/ext-proc/header-map.ts";
import { CONTROL_HEADERS } from "./control-headers.ts";
import {
  FAIRNESS_ID,
  MODEL_NAME_REWRITE,
  OBJECTIVE,
  PATH_DEFAULT,
  PATH_HEADERS,
  PREFER,
  REQUEST_ID,
  TRACE_HEADERS,
} from "./names.ts";

export interface RequestHeaders {
  readonly requestId: string | undefined;
  readonly path: string;
  /** The model to send the request on under; an empty text is none. */
  readonly rewriteModelTo: string | undefined;
  readonly objective: string | undefined;
  readonly fairnessId: string | undefined;
  /** The client wants an endpoint that holds some of the prompt, or none. */
  readonly wantsCached: boolean;
  /** Control headers that the client sent, to be removed. */
  readonly controlHeaders: readonly string[];
  /** The caller's trace; undefined where it is not wanted. */
  readonly trace: TraceCarrier | undefined;
  /** The value of a header that the picker or a plugin reads; undefined for others. */
  readonly header: (name: string) => string | undefined;
}

/** What is looked for besides the picker's own. */
export interface WantedHeaders {
  /** Lower case. The same list until it changes: what is derived from it is kept. */
  readonly pluginHeaders: readonly string[];
  readonly readsTraceHeaders: boolean;
}

/** The picker's own, control headers first. A name that stands for several purposes is looked up once. */
const NAMES: readonly string[] = [
  ...new Set([
    ...CONTROL_HEADERS,
    REQUEST_ID,
    PREFER,
    ...PATH_HEADERS,
    ...MODEL_NAME_REWRITE,
    ...OBJECTIVE,
    ...FAIRNESS_ID,
  ]),
];

/** Where each stands among the values of a request, so that none is looked up by its name. */
const REQUEST_ID_AT = positionOf(REQUEST_ID);
const PREFER_AT = positionOf(PREFER);
const PATH_AT: readonly number[] = PATH_HEADERS.map(positionOf);
const MODEL_NAME_REWRITE_AT: readonly number[] = MODEL_NAME_REWRITE.map(positionOf);
const OBJECTIVE_AT: readonly number[] = OBJECTIVE.map(positionOf);
const FAIRNESS_ID_AT: readonly number[] = FAIRNESS_ID.map(positionOf);

function positionOf(name: string): number {
  return NAMES.indexOf(name);
}

const NO_NAMES: readonly string[] = [];

/** Reads the headers of one request after another. One per shard. */
export class RequestHeaderReader {
  #wanted: WantedHeaders | undefined;
  #names = new HeaderNames([]);
  #positions: ReadonlyMap<string, number> = new Map();

  read(headers: HeaderBytes, wanted: WantedHeaders): RequestHeaders {
    this.#prepare(wanted);
    const values = findHeaders(headers, this.#names);
    const positions = this.#positions;
    const valueOf = (name: string): string | undefined => values[positions.get(name) as number];
    return {
      requestId: values[REQUEST_ID_AT],
      path: firstOf(PATH_AT, values) ?? PATH_DEFAULT,
      rewriteModelTo: firstOf(MODEL_NAME_REWRITE_AT, values) || undefined,
      objective: firstOf(OBJECTIVE_AT, values) || undefined,
      fairnessId: firstOf(FAIRNESS_ID_AT, values) || undefined,
      wantsCached: prefersCached(values[PREFER_AT]),
      controlHeaders: controlHeadersIn(values),
      trace: wanted.readsTraceHeaders
        ? { traceparent: valueOf("traceparent"), tracestate: valueOf("tracestate"), baggage: valueOf("baggage") }
        : undefined,
      header: valueOf,
    };
  }

  #prepare({ pluginHeaders, readsTraceHeaders }: WantedHeaders): void {
    const last = this.#wanted;
    if (last?.pluginHeaders === pluginHeaders && last.readsTraceHeaders === readsTraceHeaders) return;
    const names = [...new Set([...NAMES, ...pluginHeaders, ...(readsTraceHeaders ? TRACE_HEADERS : [])])];
    this.#wanted = { pluginHeaders, readsTraceHeaders };
    this.#names = new HeaderNames(names);
    this.#positions = new Map(names.map((name, position) => [name, position]));
  }
}

type Values = readonly (string | undefined)[];

function firstOf(positions: readonly number[], values: Values): string | undefined {
  for (const position of positions) {
    const value = values[position];
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Nearly no request has any. */
function controlHeadersIn(values: Values): readonly string[] {
  let found: string[] | undefined;
  for (let position = 0; position < CONTROL_HEADERS.length; position++) {
    if (values[position] === undefined) continue;
    found ??= [];
    found.push(CONTROL_HEADERS[position] as string);
  }
  return found ?? NO_NAMES;
}

/** `prefer` is a list of tokens with parameters behind ";"; case does not count (RFC 7240). */
function prefersCached(prefer: string | undefined): boolean {
  if (prefer === undefined) return false;
  return prefer.split(",").some((token) => token.split(";", 1)[0]?.trim().toLowerCase() === "if-available");
}
