/**
 * Operating errors: everything that may go wrong without a defect of ours. One table gives each code its HTTP status
 * and says when it is used; `docs/errors.md` is made from it. Compare codes, never messages.
 */

export type ErrorCode =
  | "BadRequest"
  | "PayloadTooLarge"
  | "ResourceExhausted"
  | "Internal"
  | "ServiceUnavailable"
  | "PreconditionFailed"
  | "Unauthorized"
  | "Forbidden"
  | "NotFound";

export interface ErrorKind {
  /** HTTP status of the answer that the client gets. */
  readonly httpStatus: number;
  readonly when: string;
}

/** Codes and statuses are those of the Go picker, so that clients and alerts keep working. */
export const ERROR_KINDS: Readonly<Record<ErrorCode, ErrorKind>> = {
  BadRequest: {
    httpStatus: 400,
    when: "The body is not what its API takes, is cut, or lacks a required field; or no parser takes its path.",
  },
  PayloadTooLarge: { httpStatus: 413, when: "The body is larger than `--request-body-size-max`." },
  ResourceExhausted: { httpStatus: 429, when: "Every stream window of the shard is taken, or the pool is saturated." },
  Internal: { httpStatus: 500, when: "A defect of the picker. The log line says which." },
  ServiceUnavailable: { httpStatus: 503, when: "No endpoint is known, or the picker is shutting down." },
  PreconditionFailed: {
    httpStatus: 412,
    when: "The client wants a cached prompt (`prefer: if-available`) and the picked endpoint holds none of it.",
  },
  Unauthorized: { httpStatus: 401, when: "An admitter of the configuration says so." },
  Forbidden: { httpStatus: 403, when: "An admitter of the configuration says so." },
  NotFound: { httpStatus: 404, when: "An admitter of the configuration says so." },
};

/** Values of the response header `x-llm-d-request-dropped-reason`. */
export type DroppedReason = "rejected-saturated" | "rejected-no-endpoints" | "rejected-shutting-down";

export class EppError extends Error {
  override readonly name = "EppError";
  readonly code: ErrorCode;
  readonly droppedReason: DroppedReason | undefined;

  constructor(code: ErrorCode, message: string, options: { droppedReason?: DroppedReason; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.droppedReason = options.droppedReason;
  }

  get httpStatus(): number {
    return ERROR_KINDS[this.code].httpStatus;
  }
}

/**
 * A configuration, flag or file that cannot be used. The message names the file, the place in it, the value and the
 * remedy.
 */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** Where in a configuration document, like `["plugins", 2, "type"]`; whoever read the document adds file and line. */
  readonly path: readonly (string | number)[] | undefined;

  constructor(message: string, options: { path?: readonly (string | number)[] | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.path = options.path;
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
