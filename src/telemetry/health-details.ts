/**
 * The health details: which degraded states hold now, since when, and what to do about them. A state that is raised is
 * a log line (an error or a warning), a gauge (`counts`), and a row of `/debug/health` until it is cleared, which is an
 * info line.
 *
 *   (absent) ──raise──► held ──raise again──► held, newest detail ──clear──► (absent)
 *
 * What a code means stands in degraded-states.ts. Whoever notices a state reports it; a shard reports through its
 * messages (`ShardReports`). Degraded is not unready: a picker that knows little still picks.
 */
import type { Clock } from "../base/clock.ts";
import { DEGRADED_STATES, type DegradedCode, type Severity } from "./degraded-states.ts";
import type { Logger } from "./logger.ts";

/** Rows that one code may have. More shards and plugins than this are not configured; endpoints share one row. */
const SUBJECTS_MAX = 256;

/** Characters of a detail or subject that are kept: texts of errors may be long. */
const TEXT_SIZE_MAX = 500;

/** Where degraded states are reported to. */
export interface DegradationReporter {
  /**
   * The state holds. `detail` says in words what is wrong now; `subject` tells several that have the same code apart,
   * like a plugin's name. Repeating it with another detail changes the row and logs nothing.
   */
  raise(code: DegradedCode, detail: string, subject?: string): void;
  /** The state is over. Does nothing when it did not hold. */
  clear(code: DegradedCode, subject?: string): void;
}

/** One state that holds. */
export interface DegradedState {
  readonly code: DegradedCode;
  /** Empty where a code has one row. */
  readonly subject: string;
  readonly severity: Severity;
  /** Wall time at which it began, in ms. */
  readonly sinceWallMs: number;
  readonly detail: string;
  readonly meaning: string;
  readonly remedy: string;
}

interface Row {
  readonly sinceWallMs: number;
  readonly sinceMs: number;
  detail: string;
}

export class HealthDetails implements DegradationReporter {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #rows = new Map<DegradedCode, Map<string, Row>>();
  readonly #isOverflowing = new Set<DegradedCode>();

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
  }

  raise(code: DegradedCode, detail: string, subject = ""): void {
    const rows = this.#rows.get(code) ?? new Map<string, Row>();
    this.#rows.set(code, rows);
    const key = cut(subject);
    const held = rows.get(key);
    if (held !== undefined) {
      held.detail = cut(detail);
      return;
    }
    if (rows.size >= SUBJECTS_MAX) return this.#logOverflow(code);
    rows.set(key, { sinceWallMs: this.#clock.wallMs(), sinceMs: this.#clock.nowMs(), detail: cut(detail) });
    const { severity, meaning, remedy } = DEGRADED_STATES[code];
    const fields = { state: code, ...(key !== "" && { subject: key }), detail: cut(detail), remedy };
    if (severity === "error") this.#logger.error(fields, `degraded: ${meaning}`);
    else this.#logger.warn(fields, `degraded: ${meaning}`);
  }

  clear(code: DegradedCode, subject = ""): void {
    const key = cut(subject);
    const rows = this.#rows.get(code);
    const held = rows?.get(key);
    if (rows === undefined || held === undefined) return;
    rows.delete(key);
    const heldMs = Math.round(this.#clock.nowMs() - held.sinceMs);
    this.#logger.info({ state: code, ...(key !== "" && { subject: key }), heldMs }, "no longer degraded");
  }

  /** Once per code: whoever is told has to look at the log of what reports it. */
  #logOverflow(code: DegradedCode): void {
    if (this.#isOverflowing.has(code)) return;
    this.#isOverflowing.add(code);
    this.#logger.warn({ state: code }, `degraded in more than ${SUBJECTS_MAX} places; further ones are not told`);
  }

  /** The states that hold, in the order of the table of codes, the oldest of a code first. */
  list(): DegradedState[] {
    return CODES.flatMap((code) =>
      [...(this.#rows.get(code) ?? [])].map(([subject, { sinceWallMs, detail }]) => {
        return { code, subject, sinceWallMs, detail, ...DEGRADED_STATES[code] };
      }),
    );
  }

  /** Rows per code, 0 for those that do not hold: the values of the gauge. */
  counts(): readonly { readonly code: DegradedCode; readonly count: number }[] {
    return CODES.map((code) => ({ code, count: this.#rows.get(code)?.size ?? 0 }));
  }
}

/**
 * The reports of one shard: subjects carry its name, and `clearAll` takes back what it reported when it dies, since
 * nobody else would.
 */
export class ShardReports implements DegradationReporter {
  readonly #target: DegradationReporter;
  readonly #name: string;
  readonly #raised = new Map<string, { readonly code: DegradedCode; readonly subject: string }>();

  constructor(target: DegradationReporter, name: string) {
    this.#target = target;
    this.#name = name;
  }

  raise(code: DegradedCode, detail: string, subject = ""): void {
    const full = this.#subject(subject);
    this.#raised.set(`${code} ${full}`, { code, subject: full });
    this.#target.raise(code, detail, full);
  }

  clear(code: DegradedCode, subject = ""): void {
    const full = this.#subject(subject);
    this.#raised.delete(`${code} ${full}`);
    this.#target.clear(code, full);
  }

  clearAll(): void {
    for (const { code, subject } of this.#raised.values()) this.#target.clear(code, subject);
    this.#raised.clear();
  }

  #subject(subject: string): string {
    return cut(subject === "" ? this.#name : `${this.#name}: ${subject}`);
  }
}

const CODES = Object.keys(DEGRADED_STATES) as DegradedCode[];

function cut(text: string): string {
  return text.length > TEXT_SIZE_MAX ? `${text.slice(0, TEXT_SIZE_MAX)}…` : text;
}
