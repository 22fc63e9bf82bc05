/** `/metrics`: the Prometheus exposition. */
import type { MetricsSource } from "../metrics-source.ts";
import type { AdminPage } from "../page.ts";

export function metricsPage(source: MetricsSource): AdminPage {
  return {
    path: "/metrics",
    summary: "Prometheus metrics.",
    isEarly: true,
    contentType: source.contentType,
    answer: () => source.expose(),
  };
}
