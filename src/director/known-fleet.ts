/**
 * The fleet as a shard knows it by name: what the control thread last told. Slots in the shared columns change at once,
 * names follow by message, so for a moment a new endpoint can be picked and is not known here.
 */
import type { FleetEndpoint, FleetView } from "../framework/fleet.ts";

/** What the control thread tells when the fleet or its labels change. */
export interface FleetSnapshot {
  readonly version: number;
  readonly endpoints: readonly FleetEndpoint[];
}

export class KnownFleet implements FleetView {
  #version = 0;
  #endpoints: readonly FleetEndpoint[] = [];
  #byId: ReadonlyMap<string, FleetEndpoint> = new Map();
  #bySlot: ReadonlyMap<number, FleetEndpoint> = new Map();

  /** Takes what was told; an older state than the known one is passed over. */
  replace({ version, endpoints }: FleetSnapshot): void {
    if (version < this.#version) return;
    this.#version = version;
    this.#endpoints = endpoints;
    this.#byId = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
    this.#bySlot = new Map(endpoints.map((endpoint) => [endpoint.slot, endpoint]));
  }

  get version(): number {
    return this.#version;
  }

  get endpoints(): readonly FleetEndpoint[] {
    return this.#endpoints;
  }

  byId(id: string): FleetEndpoint | undefined {
    return this.#byId.get(id);
  }

  bySlot(slot: number): FleetEndpoint | undefined {
    return this.#bySlot.get(slot);
  }
}
