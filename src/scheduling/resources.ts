/**
 * Numbers the resources that the programs of a policy read: label masks, attribute columns, and what each request
 * brings (masks, sessions). Programs that ask for the same one share its number.
 */
import { ConfigError } from "../base/errors.ts";
import type { ColumnSource, ProgramResources } from "../framework/programs.ts";

type LabelTest = NonNullable<ProgramResources["labelMask"]>;
type RequestMask = NonNullable<ProgramResources["requestMask"]>;
type SessionKey = NonNullable<ProgramResources["sessionKey"]>;

/** A column that the policy reads: one number per endpoint. */
export interface PolicyColumn {
  /** The same for the same content, over all policies: columns of policies that live at the same time are shared. */
  readonly key: string;
  readonly source: ColumnSource;
}

/** Endpoints that a request singles out, as a plugin of this name says. */
export interface MaskSource {
  readonly plugin: string;
  readonly mask: RequestMask;
}

export interface SessionSource {
  readonly plugin: string;
  readonly key: SessionKey;
  readonly secondsMax: number;
}

/** How many of each there can be. */
export interface ResourceLimits {
  readonly labelMasks: number;
  readonly columns: number;
  readonly requestMasks: number;
  readonly sessions: number;
}

/** Numbers of what one program reads. */
export interface ProgramNumbers {
  readonly labelMask?: number;
  readonly requestMask?: number;
  readonly session?: number;
  /** Positions in `columns`, in the program's order. */
  readonly columns: readonly number[];
}

/** Sessions of a program that does not say how long they live: the Go picker's `evictionTtlSeconds`. */
const SESSION_SECONDS_MAX = 300;

export class ResourceNumbers {
  readonly labelMasks: LabelTest[] = [];
  readonly columns: PolicyColumn[] = [];
  readonly requestMasks: MaskSource[] = [];
  readonly sessions: SessionSource[] = [];
  readonly #limits: ResourceLimits;

  constructor(limits: ResourceLimits) {
    this.#limits = limits;
  }

  /** Throws a ConfigError when there are more than the kernel has room for. */
  add(plugin: string, program: ProgramResources): ProgramNumbers {
    const { labelMask, requestMask, sessionKey } = program;
    return {
      ...(labelMask && { labelMask: this.#labelMask(labelMask) }),
      ...(requestMask && { requestMask: this.#requestMask(plugin, requestMask) }),
      ...(sessionKey && { session: this.#session(plugin, sessionKey, program.sessionSecondsMax) }),
      columns: (program.columns ?? []).map((source) => this.#column(plugin, source)),
    };
  }

  #labelMask(test: LabelTest): number {
    const known = this.labelMasks.indexOf(test);
    if (known >= 0) return known;
    checkRoom(this.labelMasks.length, this.#limits.labelMasks, "selections by label");
    return this.labelMasks.push(test) - 1;
  }

  #requestMask(plugin: string, mask: RequestMask): number {
    const known = this.requestMasks.findIndex((source) => source.mask === mask);
    if (known >= 0) return known;
    checkRoom(this.requestMasks.length, this.#limits.requestMasks, "selections by request");
    return this.requestMasks.push({ plugin, mask }) - 1;
  }

  #session(plugin: string, key: SessionKey, secondsMax: number = SESSION_SECONDS_MAX): number {
    const known = this.sessions.findIndex((source) => source.key === key);
    if (known >= 0) return known;
    checkRoom(this.sessions.length, this.#limits.sessions, "kinds of session");
    return this.sessions.push({ plugin, key, secondsMax }) - 1;
  }

  #column(plugin: string, source: ColumnSource): number {
    const key = columnKey(plugin, source);
    const known = this.columns.findIndex((column) => column.key === key);
    if (known >= 0) return known;
    checkRoom(this.columns.length, this.#limits.columns, "columns of numbers per endpoint");
    return this.columns.push({ key, source }) - 1;
  }
}

/** Columns from labels are their plugin's own; attributes are known by who produces them. */
function columnKey(plugin: string, source: ColumnSource): string {
  return source.kind === "labels" ? `label:${plugin}/${source.name}` : attributeKey(source.producer, source.attribute);
}

export function attributeKey(producer: string, attribute: string): string {
  return `attribute:${producer}/${attribute}`;
}

function checkRoom(count: number, countMax: number, what: string): void {
  if (count >= countMax) throw new ConfigError(`the profiles need more than ${countMax} ${what}; use fewer plugins`);
}
