/** The endpoints and names as metrics show them. */
import type { EndpointLoad } from "./pool-gauges.ts";

/** What the control thread knows beside the shared counters. */
export interface FleetView {
  readonly endpoints: readonly {
    readonly name: string;
    readonly namespace: string;
    readonly port: number;
    readonly slot: number;
    readonly generation: number;
    readonly isReachable: boolean;
    /** Undefined until the first scrape succeeds. */
    readonly load: EndpointLoad | undefined;
  }[];
  /** Names by number; number 0 is "other". */
  readonly names: readonly string[];
}
