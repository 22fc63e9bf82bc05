/** Every metric that is exposed, in the order of the page. */
import { OWN_METRICS } from "../metrics.ts";
import type { MetricDeclaration } from "./declaration.ts";
import { POOL_METRICS } from "./pool-metrics.ts";
import { REQUEST_METRICS } from "./request-metrics.ts";

export const METRICS: readonly MetricDeclaration[] = [...REQUEST_METRICS, ...POOL_METRICS, ...OWN_METRICS];
