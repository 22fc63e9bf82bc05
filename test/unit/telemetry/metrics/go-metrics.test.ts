/** Every metric that is declared for the Go picker's dashboards is the Go picker's, and none is forgotten. */
import { describe, expect, it } from "vitest";
import { METRICS } from "../../../../src/telemetry/metrics/all-metrics.ts";
import { LATER_METRICS } from "../../../../src/telemetry/metrics/later-metrics.ts";
import { OWN_METRICS } from "../../../../src/telemetry/metrics.ts";
import { GO_METRICS, type GoMetric } from "../../../support/go-metrics.ts";

/** What is declared, in the form of the golden file. */
function declared(): Record<string, GoMetric> {
  const metrics: Record<string, GoMetric> = {};
  for (const { name, type, labels, buckets, twin, optIn } of METRICS) {
    if (OWN_METRICS.some((own) => own.name === name)) continue;
    const common = { type, ...(buckets && { buckets }), ...(optIn !== undefined && { optIn: true }) };
    metrics[name] = { ...common, labels };
    if (twin !== undefined) metrics[twin.name] = { ...common, labels: twin.labels, deprecated: true };
  }
  return metrics;
}

describe("the Go picker's metrics", () => {
  const own = declared();

  it("are declared, no more and no fewer", () => {
    expect(Object.keys(own).sort()).toEqual(Object.keys(GO_METRICS).sort());
  });

  it.each(Object.entries(GO_METRICS))("%s has the same type, labels and buckets", (name, golden) => {
    expect(own[name]).toEqual(golden);
  });

  it("that come later are not declared yet", () => {
    for (const { name } of LATER_METRICS) {
      const prefix = `llm_d_epp_${name.replace("*", "")}`;
      expect(
        METRICS.filter((metric) => (name.endsWith("*") ? metric.name.startsWith(prefix) : metric.name === prefix)),
      ).toEqual([]);
    }
  });
});
