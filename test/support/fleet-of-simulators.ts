/** Simulated model servers for tests of the whole: fast, and closed after each test. */
import type { SimulatorOptions } from "../../src/simulator/options.ts";
import { type Simulator, startSimulator } from "../../src/simulator/simulator.ts";
import type { EndpointAddress } from "./epp.ts";

/** As fast as timers allow, and never so busy that load outweighs what a test looks at. */
const FAST: SimulatorOptions = {
  prefillOverheadMs: 0,
  prefillTokenMs: 0,
  interTokenMs: 0,
  runningRequestsMax: 64,
  replyTokensMin: 4,
  replyTokensMax: 4,
};

const running: Simulator[] = [];

/** Servers `sim-0`, `sim-1`, … on free ports. */
export async function startSimulators(count: number, options: SimulatorOptions = {}): Promise<Simulator[]> {
  const fleet: Simulator[] = [];
  for (let index = 0; index < count; index++) {
    const simulator = await startSimulator({ ...FAST, ...options, name: `sim-${index}` });
    running.push(simulator);
    fleet.push(simulator);
  }
  return fleet;
}

export async function closeSimulators(): Promise<void> {
  await Promise.all(running.splice(0).map((simulator) => simulator.close()));
}

export function addressesOf(fleet: readonly Simulator[]): EndpointAddress[] {
  return fleet.map(({ name, address }) => ({ name, port: address.port }));
}

/** Name of the server that has this `ip:port`. */
export function nameOf(fleet: readonly Simulator[], hostPort: string): string {
  const found = fleet.find(({ address }) => `${address.host}:${address.port}` === hostPort);
  return found?.name ?? `nobody (${hostPort})`;
}
