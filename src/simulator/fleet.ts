/** Several simulated model servers that differ in name and port only. */
import { resolveOptions, type SimulatorOptions } from "./options.ts";
import { type Simulator, startSimulator } from "./simulator.ts";

/**
 * Starts `count` servers, `<name>-0` and so on (a lone one is `<name>`), on consecutive ports from `port`, or on free
 * ones when that is 0. All or none: when one fails to start, those already started are closed.
 */
export async function startFleet(count: number, options: SimulatorOptions = {}): Promise<Simulator[]> {
  const { name, port } = resolveOptions(options);
  const fleet: Simulator[] = [];
  try {
    for (let index = 0; index < count; index++) {
      const own = { name: count === 1 ? name : `${name}-${index}`, port: port === 0 ? 0 : port + index };
      fleet.push(await startSimulator({ ...options, ...own }));
    }
    return fleet;
  } catch (error) {
    await closeFleet(fleet);
    throw error;
  }
}

export async function closeFleet(fleet: readonly Simulator[]): Promise<void> {
  await Promise.all(fleet.map((simulator) => simulator.close()));
}
