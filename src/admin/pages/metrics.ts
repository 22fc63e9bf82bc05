/** `/metrics`: the Prometheus exposition. */
import type { MetricsSource } from "../metrics-source.ts";
import type { AdminPage } from "../page.ts";
import { PAGES } from "./page-table.ts";

export function metricsPage(source: MetricsSource): AdminPage {
  return {
    ...PAGES.metrics,
    contentType: source.contentType,
    answer: () => source.expose(),
  };
}
