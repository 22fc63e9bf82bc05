/**
 * The process's own metrics (CPU, memory, garbage collection, event-loop delay) as `prom-client` collects them; those
 * of the operating system have the names that all Prometheus clients give them. Heap and event loop are the control
 * thread's.
 */
import { collectDefaultMetrics, Registry } from "prom-client";

/** One per process: its observers cannot be taken back. */
let registry: Registry | undefined;

/** Their text, read now. */
export function processMetrics(): Promise<string> {
  if (registry === undefined) {
    registry = new Registry();
    collectDefaultMetrics({ register: registry });
  }
  return registry.metrics();
}
