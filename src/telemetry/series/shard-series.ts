/**
 * The series table of one shard: what it counts by labels, in shared memory, so that a request pays a few additions and
 * the control thread reads sums when somebody scrapes. The control thread allocates it and hands it to the shard; it
 * outlives the shard's thread, and a successor goes on with the rows and names that are there (counters never go back).
 *
 *   header i32[16] │ names: models, fairness ids, priorities, plugins
 *   rows: requests, attempts, flows, plugins │ cells that the shard has once
 *
 * One writer, the shard; after its death the control thread, for as long as it takes to zero what was in flight.
 */
import { layout } from "../../wasm/layout.ts";
import { PLUGIN_COLUMNS, REQUEST_COLUMNS, SHARED_COLUMNS } from "./columns.ts";
import { KeyedRows, type KeyedRowsShape, keyedRowsSize } from "./keyed-rows.ts";
import { NameRows, type NameRowsShape, nameRowsSize } from "./name-rows.ts";

/** What stands for everything that found no place. */
export const OTHER_LABEL = "other";

/** Distinct values of `model_name` and `target_model_name` together: the Go picker's limit. */
export const MODELS_MAX = 1_000;
/** Distinct values of `fairness_id`: the Go picker's limit. */
export const FAIRNESS_IDS_MAX = 1_000;
/** Priorities are set by operators in a handful of objects. */
export const PRIORITIES_MAX = 64;
/** Combinations of request labels: at 2 KB each 4 MB, committed as far as used; exposed, each is some 250 lines. */
export const REQUEST_ROWS_MAX = 2_048;
/** Plugins that are timed: policies have a few. */
export const PLUGINS_MAX = 64;
/** Pairs of endpoint and target model, or of endpoint and flow: eight for each of the most endpoints. */
const ENDPOINT_ROWS_MAX: number = 8 * layout.ENDPOINTS_MAX;
/** Stands where an endpoint's slot would: no endpoint was picked. */
export const NO_SLOT: number = layout.ENDPOINTS_MAX;

const MODEL_NAMES: NameRowsShape = { capacity: MODELS_MAX, sizeMax: layout.MODEL_SIZE_MAX };
const FAIRNESS_NAMES: NameRowsShape = { capacity: FAIRNESS_IDS_MAX, sizeMax: 256 };
const PRIORITY_NAMES: NameRowsShape = { capacity: PRIORITIES_MAX, sizeMax: 24 };
const PLUGIN_NAMES: NameRowsShape = { capacity: PLUGINS_MAX, sizeMax: 512 };
const REQUEST_ROWS: KeyedRowsShape = { capacity: REQUEST_ROWS_MAX, reserved: 1, width: REQUEST_COLUMNS.width };
/** Picks of an endpoint for a target model, and the endpoint's generation. */
const ATTEMPT_ROWS: KeyedRowsShape = endpointRows();
/** Requests and tokens of a flow in an endpoint. */
const FLOW_ROWS: KeyedRowsShape = endpointRows();
const PLUGIN_ROWS: KeyedRowsShape = { capacity: PLUGINS_MAX, reserved: 0, width: PLUGIN_COLUMNS.width };

function endpointRows(): KeyedRowsShape {
  // One row per endpoint, and one without endpoint, stand for what finds no place.
  return { capacity: ENDPOINT_ROWS_MAX + NO_SLOT + 1, reserved: NO_SLOT + 1, width: 2 };
}

const HEADER_SIZE = 64;

const SIZE: number =
  HEADER_SIZE +
  [MODEL_NAMES, FAIRNESS_NAMES, PRIORITY_NAMES, PLUGIN_NAMES].reduce(
    (sum, shape) => sum + align(nameRowsSize(shape)),
    0,
  ) +
  [REQUEST_ROWS, ATTEMPT_ROWS, FLOW_ROWS, PLUGIN_ROWS].reduce((sum, shape) => sum + keyedRowsSize(shape), 0) +
  SHARED_COLUMNS.width * 8;

/** An empty table. Its pages are committed as they are first written. */
export function allocateShardSeries(): SharedArrayBuffer {
  return new SharedArrayBuffer(SIZE);
}

export class ShardSeries {
  readonly models: NameRows;
  readonly fairnessIds: NameRows;
  readonly priorities: NameRows;
  /** `extension point`, `type` and `name`, joined by PLUGIN_SEPARATOR. */
  readonly plugins: NameRows;
  readonly requests: KeyedRows;
  readonly attempts: KeyedRows;
  readonly flows: KeyedRows;
  readonly pluginRows: KeyedRows;
  readonly shared: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    let offset = HEADER_SIZE;
    let counts = 0;
    const take = (size: number): number => {
      const at = offset;
      offset += align(size);
      return at;
    };
    const count = (): Int32Array => new Int32Array(buffer, 4 * counts++, 1);
    const names = (shape: NameRowsShape): NameRows => new NameRows(buffer, take(nameRowsSize(shape)), count(), shape);
    const rows = (shape: KeyedRowsShape): KeyedRows => {
      return new KeyedRows(buffer, take(keyedRowsSize(shape)), count(), shape);
    };
    this.models = names(MODEL_NAMES);
    this.fairnessIds = names(FAIRNESS_NAMES);
    this.priorities = names(PRIORITY_NAMES);
    this.plugins = names(PLUGIN_NAMES);
    this.requests = rows(REQUEST_ROWS);
    this.attempts = rows(ATTEMPT_ROWS);
    this.flows = rows(FLOW_ROWS);
    this.pluginRows = rows(PLUGIN_ROWS);
    this.shared = new Float64Array(buffer, offset, SHARED_COLUMNS.width);
  }

  /** For the control thread, when the shard's thread has died: nothing of it is in flight any more. */
  returnInFlight(): void {
    for (let row = 0; row < this.requests.count; row++) {
      this.requests.cells[row * REQUEST_COLUMNS.width + REQUEST_COLUMNS.running] = 0;
    }
    this.flows.cells.fill(0, 0, this.flows.count * this.flows.width);
    this.shared[SHARED_COLUMNS.streamsOpen] = 0;
    this.shared[SHARED_COLUMNS.connections] = 0;
  }
}

function align(size: number): number {
  return Math.ceil(size / 8) * 8;
}

/** Numbers of names, 0 for `other`, as one number that stands for the combination. */
export interface RequestKey {
  readonly model: number;
  readonly target: number;
  readonly fairnessId: number;
  readonly priority: number;
}

const MODEL_SPAN = MODELS_MAX + 1;
const FAIRNESS_SPAN = FAIRNESS_IDS_MAX + 1;
const PRIORITY_SPAN = PRIORITIES_MAX + 1;

/** Below 2^37, so it is exact. 0 is the combination that stands for all others. */
export function requestKey({ model, target, fairnessId, priority }: RequestKey): number {
  return ((model * MODEL_SPAN + target) * FAIRNESS_SPAN + fairnessId) * PRIORITY_SPAN + priority;
}

export function readRequestKey(key: number): RequestKey {
  const priority = key % PRIORITY_SPAN;
  const names = Math.floor(key / PRIORITY_SPAN);
  const models = Math.floor(names / FAIRNESS_SPAN);
  const target = models % MODEL_SPAN;
  return { model: Math.floor(models / MODEL_SPAN), target, fairnessId: names % FAIRNESS_SPAN, priority };
}

/** `slot` is NO_SLOT for a decision without endpoint. */
export function attemptKey(slot: number, target: number): number {
  return slot * MODEL_SPAN + target;
}

export function readAttemptKey(key: number): { readonly slot: number; readonly target: number } {
  return { slot: Math.floor(key / MODEL_SPAN), target: key % MODEL_SPAN };
}

export function flowKey(slot: number, fairnessId: number, priority: number): number {
  return (slot * FAIRNESS_SPAN + fairnessId) * PRIORITY_SPAN + priority;
}

export function readFlowKey(key: number): {
  readonly slot: number;
  readonly fairnessId: number;
  readonly priority: number;
} {
  const flow = Math.floor(key / PRIORITY_SPAN);
  return { slot: Math.floor(flow / FAIRNESS_SPAN), fairnessId: flow % FAIRNESS_SPAN, priority: key % PRIORITY_SPAN };
}

/** Joins what identifies a timed plugin; no plugin's type or name holds it. */
export const PLUGIN_SEPARATOR = "\u0000";
