/** The candidates of a decision as plugins see them: the kernel's columns joined with what the shard knows by name. */
import type { Candidate, Candidates, FleetEndpoint, FleetView } from "../framework/fleet.ts";
import type { CandidateColumns } from "../wasm/shard-memory.ts";

export class NamedCandidates implements Candidates {
  readonly #columns: CandidateColumns;
  readonly #fleet: FleetView;
  readonly #hostPortOf: (slot: number) => string;

  constructor(columns: CandidateColumns, fleet: FleetView, hostPortOf: (slot: number) => string) {
    this.#columns = columns;
    this.#fleet = fleet;
    this.#hostPortOf = hostPortOf;
  }

  get count(): number {
    return this.#columns.count;
  }

  at(position: number): Candidate {
    const columns = this.#columns;
    return {
      endpoint: this.#endpoint(columns.slotAt(position)),
      queueDepthRequests: columns.queueDepthRequests(position),
      runningRequests: columns.runningRequests(position),
      kvCacheUsageFraction: columns.kvCacheUsageFraction(position),
      inFlightRequests: columns.inFlightRequests(position),
      inFlightTokens: columns.inFlightTokens(position),
      matchedBlocks: columns.matchedBlocks(position),
      blockCount: columns.blockCount,
    };
  }

  #endpoint(slot: number): FleetEndpoint {
    return this.#fleet.bySlot(slot) ?? newcomer(slot, this.#hostPortOf(slot));
  }
}

/** An endpoint whose name and labels have not come yet. */
function newcomer(slot: number, hostPort: string): FleetEndpoint {
  const address = hostPort.slice(0, hostPort.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  return { id: hostPort, slot: slot as FleetEndpoint["slot"], generation: 0, address, hostPort, labels: {} };
}
