/** What the picker reads from a request's headers, in one walk over them. */
import { findHeaders, type HeaderBytes, HeaderNames } from "../wire/ext-proc/header-map.ts";
import { CONTROL_HEADERS } from "./control-headers.ts";
import { MODEL_NAME_REWRITE, PATH_DEFAULT, PATH_HEADERS, REQUEST_ID } from "./names.ts";

export interface RequestHeaders {
  readonly requestId: string | undefined;
  readonly path: string;
  /** The model to send the request on under; an empty text is none. */
  readonly rewriteModelTo: string | undefined;
  /** Control headers that the client sent, to be removed. */
  readonly controlHeaders: readonly string[];
}

const NAMES: readonly string[] = [REQUEST_ID, ...PATH_HEADERS, ...MODEL_NAME_REWRITE, ...CONTROL_HEADERS];
/** A name that stands for two purposes is looked up once. */
const WANTED = new HeaderNames([...new Set(NAMES)]);

export function readRequestHeaders(headers: HeaderBytes): RequestHeaders {
  const values = findHeaders(headers, WANTED);
  const valueOf = (name: string): string | undefined => values[WANTED.names.indexOf(name)];
  const firstOf = (names: readonly string[]): string | undefined =>
    names.map(valueOf).find((value) => value !== undefined);
  return {
    requestId: valueOf(REQUEST_ID),
    path: firstOf(PATH_HEADERS) ?? PATH_DEFAULT,
    rewriteModelTo: firstOf(MODEL_NAME_REWRITE) || undefined,
    controlHeaders: CONTROL_HEADERS.filter((name) => valueOf(name) !== undefined),
  };
}
