/**
 * The series tables of all shards as one, for the control thread: rows by their labels, summed when they are read. The
 * limits on label values hold over all shards together: first come, first kept, the rest is `other`.
 */
import { FOLDED_KINDS, type FoldedKind, SHARED_COLUMNS, SPAN_OUTCOMES, type SpanOutcome } from "./columns.ts";
import type { NameRows } from "./name-rows.ts";
import { RowGroups, type SeriesGroup } from "./row-groups.ts";
import {
  FAIRNESS_IDS_MAX,
  MODELS_MAX,
  OTHER_LABEL,
  PLUGIN_SEPARATOR,
  REQUEST_ROWS_MAX,
  readAttemptKey,
  readFlowKey,
  readRequestKey,
  type ShardSeries,
} from "./shard-series.ts";

/** Values of REQUEST_LABELS, in their order. */
export type RequestLabelValues = readonly [model: string, target: string, fairnessId: string, priority: string];
/** `slot` is NO_SLOT for decisions without endpoint. */
export type AttemptLabelValues = readonly [slot: number, targetModelName: string];
export type FlowLabelValues = readonly [slot: number, fairnessId: string, priority: string];
export type PluginLabelValues = readonly [extensionPoint: string, type: string, name: string];

const OTHER_REQUEST: RequestLabelValues = [OTHER_LABEL, OTHER_LABEL, OTHER_LABEL, OTHER_LABEL];

export class SeriesView {
  readonly #shards: readonly ShardSeries[];
  readonly #models = new AdmittedValues(MODELS_MAX);
  readonly #fairnessIds = new AdmittedValues(FAIRNESS_IDS_MAX);
  /** One child is kept for all that come too late. */
  readonly #children = new AdmittedValues(REQUEST_ROWS_MAX - 1);
  readonly #requests: RowGroups<RequestLabelValues>;
  readonly #attempts: RowGroups<AttemptLabelValues>;
  readonly #flows: RowGroups<FlowLabelValues>;
  readonly #plugins: RowGroups<PluginLabelValues>;
  #foldedCombinations = 0;

  constructor(shards: readonly ShardSeries[]) {
    this.#shards = shards;
    this.#requests = new RowGroups(
      shards.map((shard) => ({ rows: shard.requests, labelsOf: (key) => this.#requestLabels(shard, key) })),
    );
    this.#attempts = new RowGroups(
      shards.map(({ attempts, models }) => ({
        rows: attempts,
        labelsOf(key): AttemptLabelValues {
          const { slot, target } = readAttemptKey(key);
          return [slot, nameOf(models, target)];
        },
      })),
    );
    this.#flows = new RowGroups(
      shards.map(({ flows, fairnessIds, priorities }) => ({
        rows: flows,
        labelsOf(key): FlowLabelValues {
          const { slot, fairnessId, priority } = readFlowKey(key);
          return [slot, nameOf(fairnessIds, fairnessId), nameOf(priorities, priority)];
        },
      })),
    );
    this.#plugins = new RowGroups(
      shards.map(({ plugins, pluginRows }) => ({
        rows: pluginRows,
        labelsOf(key): PluginLabelValues {
          const [extensionPoint = "", type = "", name = ""] = nameOf(plugins, key).split(PLUGIN_SEPARATOR);
          return [extensionPoint, type, name];
        },
      })),
    );
  }

  /** Takes in what shards have added, `limit` rows at most; returns whether more is left. */
  takeIn(limit: number): boolean {
    const tables = [this.#requests, this.#attempts, this.#flows, this.#plugins];
    return tables.some((table) => table.takeIn(limit));
  }

  /** Cells: REQUEST_COLUMNS. */
  requests(): readonly SeriesGroup<RequestLabelValues>[] {
    return this.#requests.groups;
  }

  /** Cells: decisions, and the endpoint's generation, with which the row began at 0. */
  attempts(): readonly SeriesGroup<AttemptLabelValues>[] {
    return this.#attempts.groups;
  }

  /** Cells: requests and tokens in flight. */
  flows(): readonly SeriesGroup<FlowLabelValues>[] {
    return this.#flows.groups;
  }

  /** Cells: PLUGIN_COLUMNS. */
  plugins(): readonly SeriesGroup<PluginLabelValues>[] {
    return this.#plugins.groups;
  }

  /** Sum of a cell of SHARED_COLUMNS over the shards. */
  shared(column: number): number {
    let sum = 0;
    for (const { shared } of this.#shards) sum += shared[column] ?? 0;
    return sum;
  }

  /** Connections of one shard that take new streams. */
  connections(shard: number): number {
    return this.#shards[shard]?.shared[SHARED_COLUMNS.connections] ?? 0;
  }

  /** Spans by what became of them. */
  spans(outcome: SpanOutcome): number {
    return this.shared(SHARED_COLUMNS.spans + SPAN_OUTCOMES.indexOf(outcome));
  }

  /** What was counted as `other` because it found no room in a shard's table. */
  folded(kind: FoldedKind): number {
    return this.shared(SHARED_COLUMNS.folded + FOLDED_KINDS.indexOf(kind));
  }

  /** Combinations of request labels that a shard tells apart and the limits over all shards do not. */
  get foldedCombinations(): number {
    return this.#foldedCombinations;
  }

  #requestLabels({ models, fairnessIds, priorities }: ShardSeries, key: number): RequestLabelValues {
    const { model, target, fairnessId, priority } = readRequestKey(key);
    const told: RequestLabelValues = [
      nameOf(models, model),
      nameOf(models, target),
      nameOf(fairnessIds, fairnessId),
      nameOf(priorities, priority),
    ];
    const [modelName, targetModelName] = [this.#models.admit(told[0]), this.#models.admit(told[1])];
    const kept: RequestLabelValues = [modelName, targetModelName, this.#fairnessIds.admit(told[2]), told[3]];
    const isAdmitted = this.#children.admit(kept.join("\u0000")) !== OTHER_LABEL;
    const labels = isAdmitted ? kept : OTHER_REQUEST;
    if (labels.join("\u0000") !== told.join("\u0000")) this.#foldedCombinations++;
    return labels;
  }
}

/** Values that are told apart: the first ones that come. */
class AdmittedValues {
  readonly #max: number;
  readonly #known = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  admit(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#max) return OTHER_LABEL;
    if (value !== OTHER_LABEL) this.#known.add(value);
    return value;
  }
}

function nameOf(names: NameRows, number: number): string {
  return number === 0 ? OTHER_LABEL : names.textOf(number);
}

/** Decisions for the endpoint that has this generation. */
export function attemptsOf({ rows }: SeriesGroup<AttemptLabelValues>, generation: number): number {
  let sum = 0;
  // The generation is read first: a row that passes to a new endpoint meanwhile shows 0 of the old one.
  for (const { cells, at } of rows) if (cells[at + 1] === generation) sum += cells[at] ?? 0;
  return sum;
}
