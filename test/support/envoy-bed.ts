/**
 * A picker behind a real Envoy, for end-to-end tests: the configuration of `npm start`, changed where a test says so,
 * and what Envoy counts. `closeBeds` ends all of it, after each test.
 */
import { type EnvoyOptions, envoyConfig } from "../../src/start/envoy-config.ts";
import { type RunningEnvoy, startEnvoy } from "./envoy.ts";
import { closeEpps, type EndpointAddress, LOOPBACK, startTestEpp, type TestEpp } from "./epp.ts";
import { closeSimulators } from "./fleet-of-simulators.ts";
import { until } from "./until.ts";
import { closeUpstreams } from "./upstream.ts";

/** Parts of a bootstrap configuration that tests change. Each is what Envoy's documentation calls it. */
export interface EnvoyParts {
  readonly config: { readonly static_resources: { readonly clusters: Part[] } };
  readonly connectionManager: Part;
  readonly externalProcessor: Part;
  cluster(name: string): Part;
}

// biome-ignore lint/suspicious/noExplicitAny: the JSON of a configuration has no better type.
export type Part = Record<string, any>;

export interface ProxyOptions {
  readonly envoy?: Partial<EnvoyOptions>;
  readonly change?: (parts: EnvoyParts) => void;
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
export async function startBed(endpoints: readonly EndpointAddress[], options: ProxyOptions = {}): Promise<Bed> {
  const epp = await startTestEpp(endpoints);
  return { epp, ...(await startProxy(epp.grpcPort, options)) };
}

/** Envoy alone, which asks the picker on that port. */
export async function startProxy(
  pickerPort: number,
  { envoy: options, change }: ProxyOptions = {},
): Promise<TestProxy> {
  const picker = { host: LOOPBACK, port: pickerPort };
  const config = envoyConfig({ host: LOOPBACK, port: 0, adminPort: 0, picker, ...options });
  change?.(partsOf(config));
  const envoy = await startEnvoy(config);
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
export function inFlight({ epp }: { readonly epp: TestEpp }): number {
  return epp.endpoints.endpoints.reduce((sum, { slot }) => sum + epp.counters.inFlightRequests(slot), 0);
}

export async function untilNothingInFlight(bed: { readonly epp: TestEpp }): Promise<void> {
  await until("nothing is in flight", () => inFlight(bed) === 0);
}

function partsOf(config: object): EnvoyParts {
  const whole = config as Part;
  const { clusters, listeners } = whole["static_resources"];
  const connectionManager = listeners[0].filter_chains[0].filters[0].typed_config as Part;
  const named = (parts: readonly Part[], name: string): Part => {
    const found = parts.find((part) => part["name"] === name);
    if (found === undefined) throw new Error(`the configuration has no part "${name}"`);
    return found;
  };
  return {
    config: whole as EnvoyParts["config"],
    connectionManager,
    externalProcessor: named(connectionManager["http_filters"], "envoy.filters.http.ext_proc")["typed_config"],
    cluster: (name) => named(clusters, name),
  };
}

async function readStat(adminPort: number, name: string): Promise<number> {
  const filter = encodeURIComponent(`^${name.replaceAll(".", "\\.")}$`);
  const response = await fetch(`http://${LOOPBACK}:${adminPort}/stats?format=json&filter=${filter}`);
  const { stats } = (await response.json()) as { readonly stats: readonly { name?: string; value?: number }[] };
  return stats.find((stat) => stat.name === name)?.value ?? 0;
}
