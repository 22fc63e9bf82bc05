/**
 * The fleet as the control thread knows it: which endpoint has which slot, and whether it can be reached. Shards see
 * only the columns that this writes.
 *
 *   add ─► present, reachable ◄─► unreachable ─► remove ─► clearing ─► free
 *
 * A slot is given again only when the index writer has dropped all that the old endpoint held and no request to it is
 * in flight, so a new endpoint inherits nothing.
 */
import { ConfigError } from "../base/errors.ts";
import { type EndpointMetrics, type EndpointSpec, endpointId, hostPort, type Slot } from "../framework/endpoint.ts";
import type { EndpointColumns, ScrapedColumns } from "../wasm/endpoint-columns.ts";
import { layout } from "../wasm/layout.ts";

export interface Endpoint {
  readonly id: string;
  /** As last given: labels may change while name and address stay. */
  spec: EndpointSpec;
  readonly slot: Slot;
  readonly generation: number;
  /** The last scrape succeeded, or none was tried yet. */
  isReachable: boolean;
  /** Why the last scrape that failed did; for operators. */
  scrapeFailure: string | undefined;
  /** Undefined until the first scrape succeeds. */
  scraped: ScrapedColumns | undefined;
  /** All that the last scrape found; undefined until the first succeeds. */
  metrics: EndpointMetrics | undefined;
  /** It has nothing to do and is asked for its metrics seldom. */
  isBackedOff: boolean;
}

export interface EndpointChanges {
  readonly added: readonly Endpoint[];
  readonly removed: readonly Endpoint[];
  /** Those that stay, with other labels than before. */
  readonly relabelled: readonly Endpoint[];
}

/** Follows the fleet. */
export interface FleetListener {
  /** A slot is about to be given to an endpoint; no decision sees it before this returns. */
  onAdding?(slot: Slot, spec: EndpointSpec): void;
  /** The fleet has changed. Called only when something did. */
  onChanged?(changes: EndpointChanges): void;
}

/** What decides when a removed endpoint's slot may be given again. */
export interface SlotUse {
  /** Asks the index writer to drop what this generation of the slot holds. */
  requestClear(slot: number, generation: number): void;
  isCleared(slot: number, generation: number): boolean;
  inFlightRequests(slot: number): number;
}

export class EndpointRegistry {
  readonly #columns: EndpointColumns;
  readonly #slotUse: SlotUse;
  readonly #byId = new Map<string, Endpoint>();
  readonly #bySlot: (Endpoint | undefined)[] = [];
  readonly #listeners = new Set<FleetListener>();
  #clearing: Endpoint[] = [];

  constructor(columns: EndpointColumns, slotUse: SlotUse) {
    this.#columns = columns;
    this.#slotUse = slotUse;
  }

  get endpoints(): readonly Endpoint[] {
    return [...this.#byId.values()];
  }

  get reachableCount(): number {
    let count = 0;
    for (const endpoint of this.#byId.values()) if (endpoint.isReachable) count++;
    return count;
  }

  /** The endpoint that has, or last had, this slot. */
  at(slot: number): Endpoint | undefined {
    return this.#bySlot[slot];
  }

  /** Tells of every change from now on, in the order of the calls; returns what ends that. */
  onFleetChanged(listener: FleetListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Makes the fleet exactly these endpoints. One whose address changed is a new endpoint. Throws a ConfigError, and
   * changes nothing, when there is no room.
   */
  replaceAll(specs: readonly EndpointSpec[]): EndpointChanges {
    const wanted = new Map(specs.map((spec) => [endpointId(spec), spec]));
    const removed = this.endpoints.filter((endpoint) => !isSameServer(endpoint.spec, wanted.get(endpoint.id)));
    const isStaying = new Set(this.endpoints.filter((endpoint) => !removed.includes(endpoint)).map(({ id }) => id));
    const missing = [...wanted].filter(([id]) => !isStaying.has(id));
    this.#recycleSlots();
    this.#checkRoom(missing.length);
    for (const endpoint of removed) this.#remove(endpoint);
    const relabelled = [...this.#byId.values()].filter((endpoint) => relabel(endpoint, wanted.get(endpoint.id)));
    const added = missing.map(([id, spec]) => this.#add(id, spec));
    const changes = { added, removed, relabelled };
    if (added.length + removed.length + relabelled.length > 0) {
      for (const listener of this.#listeners) listener.onChanged?.(changes);
    }
    return changes;
  }

  /** Returns whether that changed anything. */
  setReachable(endpoint: Endpoint, isReachable: boolean): boolean {
    if (endpoint.isReachable === isReachable) return false;
    endpoint.isReachable = isReachable;
    this.#columns.setReachable(endpoint.slot, isReachable);
    return true;
  }

  /** `sent`: when the scrape was sent, and what was in flight then. */
  setScraped(
    endpoint: Endpoint,
    metrics: EndpointMetrics,
    sent: Pick<ScrapedColumns, "scrapedAtMs" | "inFlightAtScrape">,
  ): void {
    const { queueDepthRequests, runningRequests, kvCacheUsageFraction } = metrics;
    endpoint.metrics = metrics;
    endpoint.scraped = { queueDepthRequests, runningRequests, kvCacheUsageFraction, ...sent };
    this.#columns.setScraped(endpoint.slot, endpoint.scraped);
  }

  setBackedOff(endpoint: Endpoint, isBackedOff: boolean): void {
    endpoint.isBackedOff = isBackedOff;
    this.#columns.setBackedOff(endpoint.slot, isBackedOff);
  }

  #add(id: string, spec: EndpointSpec): Endpoint {
    const slot = this.#freeSlot();
    for (const listener of this.#listeners) listener.onAdding?.(slot, spec);
    const generation = this.#columns.add(slot, hostPort(spec));
    const unknown = { scrapeFailure: undefined, scraped: undefined, metrics: undefined };
    const endpoint: Endpoint = { id, spec, slot, generation, isReachable: true, isBackedOff: false, ...unknown };
    this.#byId.set(id, endpoint);
    this.#bySlot[slot] = endpoint;
    return endpoint;
  }

  #remove(endpoint: Endpoint): void {
    this.#byId.delete(endpoint.id);
    this.#columns.remove(endpoint.slot);
    this.#slotUse.requestClear(endpoint.slot, endpoint.generation);
    this.#clearing.push(endpoint);
  }

  #recycleSlots(): void {
    this.#clearing = this.#clearing.filter(({ slot, generation }) => {
      const isFree = this.#slotUse.isCleared(slot, generation) && this.#slotUse.inFlightRequests(slot) === 0;
      if (isFree) this.#bySlot[slot] = undefined;
      return !isFree;
    });
  }

  #checkRoom(addedCount: number): void {
    const [present, clearing] = [this.#byId.size, this.#clearing.length];
    if (present + clearing + addedCount <= layout.ENDPOINTS_MAX) return;
    const room = `${present} are present and ${clearing} are being cleared, of ${layout.ENDPOINTS_MAX}`;
    throw new ConfigError(`${addedCount} new endpoints find no room: ${room}`);
  }

  #freeSlot(): Slot {
    let slot = 0;
    while (this.#bySlot[slot] !== undefined) slot++;
    return slot as Slot;
  }
}

/** Gives an endpoint that stays its new spec; returns whether its labels are others. */
function relabel(endpoint: Endpoint, wanted: EndpointSpec | undefined): boolean {
  if (wanted === undefined) return false;
  const [before, after] = [Object.entries(endpoint.spec.labels), wanted.labels];
  endpoint.spec = wanted;
  return before.length !== Object.keys(after).length || before.some(([key, value]) => after[key] !== value);
}

function isSameServer(current: EndpointSpec, wanted: EndpointSpec | undefined): boolean {
  return wanted !== undefined && hostPort(current) === hostPort(wanted);
}
