/** The fleet and the models' names as metrics show them. */
import type { FleetView } from "../telemetry/metrics/fleet-view.ts";
import type { NameTable } from "../wasm/name-table.ts";
import type { EndpointRegistry } from "./registry.ts";

export function fleetView(names: NameTable, endpoints: EndpointRegistry): FleetView {
  return {
    names: names.names,
    endpoints: endpoints.endpoints.map(
      ({ spec: { name, namespace, port }, slot, generation, isReachable, scraped }) => {
        return { name, namespace, port, slot, generation, isReachable, load: scraped };
      },
    ),
  };
}
