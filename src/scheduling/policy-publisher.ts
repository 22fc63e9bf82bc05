/**
 * Publishes policies on the control thread: gives columns their numbers, writes program and resources under a free
 * number, makes it active and tells the shards. The next one waits until every shard has taken the last, so that no
 * number is given away that a shard is about to use; of several that wait only the newest is published.
 *
 *   propose ─► (shards still take the last one, or all numbers are held: wait) ─► written ─► active ─► told ─► taken
 */
import type { Clock, Timer } from "../base/clock.ts";
import type { ColumnSource } from "../framework/programs.ts";
import { layout } from "../wasm/layout.ts";
import type { PolicyProgram, PolicyTable } from "../wasm/policies.ts";
import type { CompiledPolicy } from "./compiled-policy.ts";
import type { ColumnNumbers, LabelledEndpoint, PolicyResources, ResourcedPolicy } from "./policy-resources.ts";

/** Time until numbers that requests hold are tried again. Requests end by themselves; a second is soon enough. */
const RETRY_MS = 1_000;

export interface PublishedPolicy extends ResourcedPolicy {
  /** The same for publications of one compiled policy with other tuned numbers. */
  readonly version: number;
}

/** Numbers that follow from the fleet or from flags instead of the configuration. */
export interface ProgramTuning {
  readonly blockSize?: number | undefined;
  readonly blocksMax?: number | undefined;
  /** Of every profile. */
  readonly targetsMax?: number | undefined;
}

export interface PublisherOptions {
  readonly clock: Clock;
  readonly table: Pick<PolicyTable, "publish">;
  readonly columns: ColumnNumbers;
  readonly resources: PolicyResources;
  readonly endpoints: () => readonly LabelledEndpoint[];
  /** Tells all shards of the policy; returns those that will say that they have taken it. */
  readonly tell: (policy: PublishedPolicy) => readonly number[];
  /** All numbers are held by requests: a policy waits. Undefined when it no longer does. */
  readonly onWaiting: (reason: string | undefined) => void;
}

export interface ScrapedColumn {
  readonly source: Extract<ColumnSource, { kind: "attribute" }>;
  readonly number: number;
}

interface Wanted {
  readonly compiled: CompiledPolicy;
  readonly version: number;
  readonly tuning: ProgramTuning;
}

export class PolicyPublisher {
  readonly #options: PublisherOptions;
  /** By number: the policy that has, or last had, it. */
  readonly #byNumber = new Map<number, PublishedPolicy>();
  readonly #untaken = new Set<number>();
  /** Derived from `byNumber`; undefined when that has changed. */
  #scraped: readonly ScrapedColumn[] | undefined;
  #current: PublishedPolicy | undefined;
  #wanted: Wanted | undefined;
  #versions = 0;
  #retry: Timer | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** The policy that new requests get; undefined before the first. */
  get current(): PublishedPolicy | undefined {
    return this.#current;
  }

  /** Columns of live policies that hold scraped values; those that users' plugins share are theirs. */
  get scrapedColumns(): readonly ScrapedColumn[] {
    return (this.#scraped ??= [...this.#byNumber.values()].flatMap(scrapedColumnsOf));
  }

  /** What a number stands for, as long as any request may be on it. */
  policyOf(number: number): PublishedPolicy | undefined {
    return this.#byNumber.get(number);
  }

  /** Throws a ConfigError when the policy's columns would find no room: said to who asks, not when its turn comes. */
  checkRoom(compiled: CompiledPolicy): void {
    const keys = compiled.columns.map(({ key }) => key);
    this.#options.columns.take(keys);
    this.#options.columns.release(keys);
  }

  /** Takes a policy for which there is room for the next one and returns its version; `advance` publishes it. */
  propose(compiled: CompiledPolicy, tuning: ProgramTuning = {}): number {
    this.#wanted = { compiled, version: ++this.#versions, tuning };
    return this.#versions;
  }

  /** Publishes the newest policy again with other numbers. */
  retune(tuning: ProgramTuning): void {
    const last = this.#wanted ?? this.#current;
    if (last === undefined) return;
    this.#wanted = { compiled: last.compiled, version: last.version, tuning };
    this.advance();
  }

  /** A shard works with the policy of this number. */
  onTaken(shard: number, number: number): void {
    if (number !== this.#current?.number) return;
    this.#untaken.delete(shard);
    this.advance();
  }

  /** A shard that starts is told of the current policy, and counts among those that have not taken it yet. */
  onShardStarting(shard: number): PublishedPolicy | undefined {
    if (this.#current !== undefined) this.#untaken.add(shard);
    return this.#current;
  }

  /** A shard has died: it takes nothing, and holds nothing. */
  onShardGone(shard: number): void {
    this.#untaken.delete(shard);
    this.advance();
  }

  /** An endpoint is about to become present. */
  onEndpointAdding(endpoint: LabelledEndpoint): void {
    for (const policy of this.#byNumber.values()) this.#options.resources.writeMasks(policy, endpoint);
  }

  /** Endpoints have become present, or their labels have changed. */
  onEndpointsChanged(endpoints: readonly LabelledEndpoint[]): void {
    for (const policy of this.#byNumber.values()) {
      for (const endpoint of endpoints) {
        this.#options.resources.writeMasks(policy, endpoint);
        this.#options.resources.writeColumns(policy, endpoint);
      }
    }
  }

  close(): void {
    this.#retry?.cancel();
    this.#wanted = undefined;
  }

  /** Publishes what waits, if it can be now. */
  advance(): void {
    const wanted = this.#wanted;
    if (wanted === undefined || this.#untaken.size > 0) return;
    const { table, columns, resources, endpoints, tell, onWaiting, clock } = this.#options;
    const { compiled, version, tuning } = wanted;
    const keys = compiled.columns.map(({ key }) => key);
    const columnNumbers = columns.take(keys);
    const program = tune(compiled.programWith(keys.map((key) => columnNumbers.get(key) as number)), tuning);
    const number = table.publish(program, (free) => {
      this.#forget(free);
      resources.write({ number: free, compiled, columnNumbers }, endpoints());
    });
    if (number === undefined) {
      columns.release(keys);
      onWaiting(`requests are still on all ${layout.POLICIES_MAX - 1} earlier policies`);
      this.#retry?.cancel();
      this.#retry = clock.setTimeout(() => this.advance(), RETRY_MS);
      return;
    }
    onWaiting(undefined);
    this.#wanted = undefined;
    const published: PublishedPolicy = { number, version, compiled, columnNumbers };
    this.#byNumber.set(number, published);
    this.#scraped = undefined;
    this.#current = published;
    for (const shard of tell(published)) this.#untaken.add(shard);
  }

  /** The number goes to another policy: nothing is on the one that had it. */
  #forget(number: number): void {
    const last = this.#byNumber.get(number);
    if (last === undefined) return;
    this.#byNumber.delete(number);
    this.#options.columns.release(last.compiled.columns.map(({ key }) => key));
  }
}

function scrapedColumnsOf({ compiled, columnNumbers }: PublishedPolicy): ScrapedColumn[] {
  return compiled.columns.flatMap(({ key, source }) => {
    if (source.kind !== "attribute" || compiled.sharedColumns.includes(key)) return [];
    return [{ source, number: columnNumbers.get(key) as number }];
  });
}

function tune(program: PolicyProgram, { blockSize, blocksMax, targetsMax }: ProgramTuning): PolicyProgram {
  return {
    ...program,
    blockSize: blockSize ?? program.blockSize,
    blocksMax: blocksMax ?? program.blocksMax,
    profiles:
      targetsMax === undefined ? program.profiles : program.profiles.map((profile) => ({ ...profile, targetsMax })),
  };
}
