/**
 * Whether requests are traced, where spans go, and how many: read from the variables that all OpenTelemetry programs
 * understand. Tracing is off unless one of them says where spans go; `--tracing=false` wins over all of them.
 */
import { TIMER_DELAY_MS_MAX } from "../../base/clock.ts";
import { ConfigError } from "../../base/errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export type SamplerKind = "always_on" | "always_off" | "traceidratio";

export interface TracingSettings {
  /** `otlp` sends spans by gRPC, `console` prints them to standard output. */
  readonly exporter: "otlp" | "console";
  readonly sampler: {
    readonly kind: SamplerKind;
    /** A caller's decision is followed. */
    readonly isParentBased: boolean;
    /** Share of traces, 0 to 1. */
    readonly ratio: number;
  };
  /** Longest time that a span waits for others to be sent with. */
  readonly exportDelayMs: number;
}

/** Share of traces without a caller's decision: the Go picker's. */
const RATIO_DEFAULT = 0.1;
const SAMPLER_DEFAULT = "parentbased_traceidratio";
/** OpenTelemetry's. */
const EXPORT_DELAY_MS_DEFAULT = 5_000;

const SAMPLERS: Readonly<Record<string, { readonly kind: SamplerKind; readonly isParentBased: boolean }>> = {
  always_on: { kind: "always_on", isParentBased: false },
  always_off: { kind: "always_off", isParentBased: false },
  traceidratio: { kind: "traceidratio", isParentBased: false },
  parentbased_always_on: { kind: "always_on", isParentBased: true },
  parentbased_always_off: { kind: "always_off", isParentBased: true },
  parentbased_traceidratio: { kind: "traceidratio", isParentBased: true },
};

/**
 * Undefined when requests are not traced. Throws a ConfigError for a value that is not known: silently tracing
 * nothing, or everything, helps nobody.
 */
export function readTracingSettings(environment: Environment): TracingSettings | undefined {
  if (environment["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return undefined;
  const exporter = readExporter(environment);
  if (exporter === undefined) return undefined;
  return { exporter, sampler: readSampler(environment), exportDelayMs: readExportDelay(environment) };
}

function readExportDelay(environment: Environment): number {
  const text = environment["OTEL_BSP_SCHEDULE_DELAY"] || String(EXPORT_DELAY_MS_DEFAULT);
  const delayMs = Number(text);
  if (Number.isInteger(delayMs) && delayMs > 0 && delayMs <= TIMER_DELAY_MS_MAX) return delayMs;
  throw new ConfigError(`OTEL_BSP_SCHEDULE_DELAY=${text}: a time is a whole number of milliseconds above 0`);
}

function readExporter(environment: Environment): TracingSettings["exporter"] | undefined {
  const { OTEL_TRACES_EXPORTER: name = "", OTEL_EXPORTER_OTLP_ENDPOINT: all, ...rest } = environment;
  switch (name) {
    case "":
      return all || rest["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] ? "otlp" : undefined;
    case "none":
      return undefined;
    case "otlp":
    case "console":
      return name;
    default:
      throw new ConfigError(`OTEL_TRACES_EXPORTER=${name}: known exporters are otlp, console and none`);
  }
}

function readSampler(environment: Environment): TracingSettings["sampler"] {
  const name = environment["OTEL_TRACES_SAMPLER"] || SAMPLER_DEFAULT;
  const sampler = SAMPLERS[name];
  if (sampler === undefined) {
    throw new ConfigError(`OTEL_TRACES_SAMPLER=${name}: known samplers are ${Object.keys(SAMPLERS).join(", ")}`);
  }
  const text = environment["OTEL_TRACES_SAMPLER_ARG"] || String(RATIO_DEFAULT);
  const ratio = Number(text);
  if (!(ratio >= 0 && ratio <= 1)) {
    throw new ConfigError(`OTEL_TRACES_SAMPLER_ARG=${text}: a share of traces is a number from 0 to 1`);
  }
  return { ...sampler, ratio };
}
