/**
 * A picker behind a real Envoy, for end-to-end tests: the configuration of `npm start`, changed where a test says so,
 * and what Envoy counts. `closeBeds` ends all of it, after each test.
 */
import type { EppOptions } from "../../src/epp-options.ts";
import { envoyConfig, type FailOpen, type ResponseBodies } from "../../src/start/envoy-config.ts";
import { layout } from "../../src/wasm/layout.ts";
import { type RunningEnvoy, startEnvoy } from "./envoy.ts";
import { closeEpps, type EndpointAddress, LOOPBACK, startTestEpp, type TestEpp } from "./epp.ts";
import { closeSimulators } from "./fleet-of-simulators.ts";
import { until } from "./until.ts";
import { closeUpstreams } from "./upstream.ts";

/** Fields in Envoy's names that replace, or join, those of the configuration of `npm start`. */
export interface ProxyOptions {
  readonly failOpen?: FailOpen;
  readonly responseBodies?: ResponseBodies;
  readonly externalProcessor?: object;
  readonly processingMode?: object;
  readonly routeTo?: object;
  readonly modelServers?: object;
  readonly picker?: object;
  /** HTTP filters that run before the picker is asked. */
  readonly filtersBefore?: readonly object[];
  /** Logs on this level instead of `info`. */
  readonly logLevel?: "debug";
}

export interface TestProxy {
  /** Envoy's port for clients. */
  readonly port: number;
  readonly envoy: RunningEnvoy;
  /** One of Envoy's counters or gauges; 0 as long as there is none of that name. */
  stat(name: string): Promise<number>;
}

export interface Bed extends TestProxy {
  readonly epp: TestEpp;
}

const envoys: RunningEnvoy[] = [];

/** Client → Envoy → picker, and → these servers. */
export async function startBed(
  endpoints: readonly EndpointAddress[],
  proxy: ProxyOptions = {},
  epp: Partial<EppOptions> = {},
): Promise<Bed> {
  const running = await startTestEpp(endpoints, epp);
  return { epp: running, ...(await startProxy(running.grpcPort, proxy)) };
}

/** Envoy alone, which asks the picker on that port. */
export async function startProxy(pickerPort: number, options: ProxyOptions = {}): Promise<TestProxy> {
  const { failOpen, responseBodies, logLevel } = options;
  const picker = { host: LOOPBACK, port: pickerPort };
  const config = envoyConfig({
    host: LOOPBACK,
    port: 0,
    adminPort: 0,
    picker,
    ...(failOpen && { failOpen }),
    ...(responseBodies && { responseBodies }),
  });
  change(config as Bootstrap, options);
  const envoy = await startEnvoy(config, logLevel && { logLevel });
  envoys.push(envoy);
  const port = envoy.ports["requests"];
  if (port === undefined) throw new Error(`Envoy has no listener "requests":\n${envoy.log()}`);
  return { port, envoy, stat: (name) => readStat(envoy.adminPort, name) };
}

export async function closeBeds(): Promise<void> {
  await Promise.all(envoys.splice(0).map((envoy) => envoy.stop()));
  await closeEpps();
  await closeSimulators();
  await closeUpstreams();
}

/** Requests that are charged to any endpoint. */
export function inFlight({ epp }: Pick<Bed, "epp">): number {
  return epp.endpoints.endpoints.reduce((sum, { slot }) => sum + epp.counters.inFlightRequests(slot), 0);
}

/** Waits until every stream is over, which is counted last, and nothing is charged. */
export async function untilNothingInFlight(bed: Pick<Bed, "epp">): Promise<void> {
  const { counters } = bed.epp;
  const closedCount = () => counters.shards(layout.SHARD_COUNTER_STREAMS_CLOSED);
  await until("all streams are closed", () => counters.shards(layout.SHARD_COUNTER_STREAMS_OPENED) === closedCount());
  await until("nothing is in flight", () => inFlight(bed) === 0);
}

/** The parts of the configuration that tests change. */
interface Bootstrap {
  readonly static_resources: {
    readonly listeners: readonly {
      readonly filter_chains: readonly { readonly filters: readonly { readonly typed_config: ConnectionManager }[] }[];
    }[];
    readonly clusters: readonly { readonly name: string }[];
  };
}

interface ConnectionManager {
  readonly route_config: {
    readonly virtual_hosts: readonly { readonly routes: readonly { readonly route: object }[] }[];
  };
  readonly http_filters: HttpFilter[];
}

interface HttpFilter {
  readonly name: string;
  readonly typed_config: object;
}

function change(config: Bootstrap, options: ProxyOptions): void {
  const { listeners, clusters } = config.static_resources;
  const manager = listeners[0]?.filter_chains[0]?.filters[0]?.typed_config;
  const processor = manager?.http_filters.find(({ name }) => name.endsWith(".ext_proc"))?.typed_config;
  if (manager === undefined || processor === undefined) throw new Error("the configuration has no ext_proc filter");
  const { processing_mode: mode } = processor as { readonly processing_mode: object };
  Object.assign(processor, options.externalProcessor);
  Object.assign(mode, options.processingMode);
  for (const { route } of manager.route_config.virtual_hosts[0]?.routes ?? []) Object.assign(route, options.routeTo);
  manager.http_filters.unshift(...((options.filtersBefore ?? []) as HttpFilter[]));
  for (const cluster of clusters) {
    if (cluster.name === "model-servers") Object.assign(cluster, options.modelServers);
    if (cluster.name === "picker") Object.assign(cluster, options.picker);
  }
}

async function readStat(adminPort: number, name: string): Promise<number> {
  const filter = encodeURIComponent(`^${name.replaceAll(".", "\\.")}$`);
  const response = await fetch(`http://${LOOPBACK}:${adminPort}/stats?format=json&filter=${filter}`);
  const { stats } = (await response.json()) as { readonly stats: readonly { name?: string; value?: number }[] };
  return stats.find((stat) => stat.name === name)?.value ?? 0;
}
