import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../../src/base/errors.ts";
import { type Environment, readTracingSettings } from "../../../../src/telemetry/tracing/settings.ts";

const SAMPLER = { kind: "traceidratio", isParentBased: true, ratio: 0.1 };

describe("tracing", () => {
  it.each<[string, Environment]>([
    ["nothing is said", {}],
    ["only a sampler is named", { OTEL_TRACES_SAMPLER: "always_on" }],
    ["the exporter is none", { OTEL_TRACES_EXPORTER: "none", OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4317" }],
    ["the SDK is switched off", { OTEL_TRACES_EXPORTER: "otlp", OTEL_SDK_DISABLED: "true" }],
    ["the endpoint is empty", { OTEL_EXPORTER_OTLP_ENDPOINT: "" }],
    ["the endpoint is for metrics", { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "http://collector:4317" }],
  ])("is off when %s", (_name, environment) => {
    expect(readTracingSettings(environment)).toBeUndefined();
  });

  it.each<[string, Environment, string]>([
    ["the exporter is named", { OTEL_TRACES_EXPORTER: "otlp" }, "otlp"],
    ["the console is named", { OTEL_TRACES_EXPORTER: "console" }, "console"],
    ["there is an endpoint", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4317" }, "otlp"],
    ["there is an endpoint for traces", { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://collector:4317" }, "otlp"],
  ])("is on when %s, for a tenth of the traces that no caller has decided on", (_name, environment, exporter) => {
    expect(readTracingSettings(environment)).toEqual({ exporter, sampler: SAMPLER, exportDelayMs: 5_000 });
  });

  it.each([
    ["parentbased_traceidratio", "0.5", { kind: "traceidratio", isParentBased: true, ratio: 0.5 }],
    ["traceidratio", "1", { kind: "traceidratio", isParentBased: false, ratio: 1 }],
    ["parentbased_always_on", "", { kind: "always_on", isParentBased: true, ratio: 0.1 }],
    ["always_off", "0", { kind: "always_off", isParentBased: false, ratio: 0 }],
  ])("takes the sampler %s with %j", (name, argument, sampler) => {
    const environment = {
      OTEL_TRACES_EXPORTER: "otlp",
      OTEL_TRACES_SAMPLER: name,
      OTEL_TRACES_SAMPLER_ARG: argument,
      OTEL_BSP_SCHEDULE_DELAY: "250",
    };
    expect(readTracingSettings(environment)).toEqual({ exporter: "otlp", sampler, exportDelayMs: 250 });
  });

  it.each<[Environment, string]>([
    [{ OTEL_TRACES_EXPORTER: "zipkin" }, "OTEL_TRACES_EXPORTER=zipkin: known exporters are otlp, console and none"],
    [{ OTEL_TRACES_SAMPLER: "jaeger_remote" }, "OTEL_TRACES_SAMPLER=jaeger_remote: known samplers are always_on"],
    [{ OTEL_TRACES_SAMPLER_ARG: "1.5" }, "OTEL_TRACES_SAMPLER_ARG=1.5: a share of traces is a number from 0 to 1"],
    [{ OTEL_TRACES_SAMPLER_ARG: "some" }, "OTEL_TRACES_SAMPLER_ARG=some"],
    [{ OTEL_BSP_SCHEDULE_DELAY: "0" }, "OTEL_BSP_SCHEDULE_DELAY=0"],
    [{ OTEL_BSP_SCHEDULE_DELAY: "5s" }, "OTEL_BSP_SCHEDULE_DELAY=5s"],
  ])("%j is refused, with what would be right", (environment, message) => {
    const read = (): unknown => readTracingSettings({ OTEL_TRACES_EXPORTER: "otlp", ...environment });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(message);
  });
});
