/**
 * The OpenTelemetry SDK of a shard: provider, sampler, exporter, propagators. This file is loaded only where requests
 * are traced, so that a picker that traces nothing pays neither time nor memory for the SDK.
 */
import type { TextMapPropagator, Tracer } from "@opentelemetry/api";
import {
  CompositePropagator,
  type ExportResult,
  ExportResultCode,
  W3CBaggagePropagator,
  W3CTraceContextPropagator,
} from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import {
  defaultResource,
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ConsoleSpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { TracingSettings } from "./settings.ts";

/** The Go picker's; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win. */
const SERVICE_NAME = "llm-d-epp";

/** Spans that wait to be sent; further ones are dropped. A batch leaves after its delay, or when 512 wait. */
const QUEUE_SIZE_MAX = 2_048;

/** What became of spans that were to be sent. */
export type SpansSent = (count: number, outcome: "exported" | "failed") => void;

export interface Tracing {
  readonly tracer: Tracer;
  readonly propagator: TextMapPropagator;
  /** Sends what waits, and ends. Never rejects. */
  close(): Promise<void>;
}

export function startTracing(settings: TracingSettings, onSent: SpansSent): Tracing {
  const exporter = settings.exporter === "otlp" ? new OTLPTraceExporter() : new ConsoleSpanExporter();
  const provider = new TracerProvider({
    resource: readResource(),
    sampler: makeSampler(settings.sampler),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new CountedExporter(exporter, onSent),
        maxQueueSize: QUEUE_SIZE_MAX,
        scheduledDelayMillis: settings.exportDelayMs,
      }),
    ],
  });
  return {
    tracer: provider.getTracer("magpie-epp"),
    propagator: new CompositePropagator({
      propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
    }),
    close: () => provider.shutdown().catch(() => undefined),
  };
}

function readResource(): Resource {
  const named = resourceFromAttributes({ "service.name": SERVICE_NAME });
  return defaultResource()
    .merge(named)
    .merge(detectResources({ detectors: [envDetector] }));
}

function makeSampler({ kind, isParentBased, ratio }: TracingSettings["sampler"]): Sampler {
  const root = ROOT_SAMPLERS[kind](ratio);
  return isParentBased ? new ParentBasedSampler({ root }) : root;
}

const ROOT_SAMPLERS: Readonly<Record<TracingSettings["sampler"]["kind"], (ratio: number) => Sampler>> = {
  always_on: () => new AlwaysOnSampler(),
  always_off: () => new AlwaysOffSampler(),
  traceidratio: (ratio) => new TraceIdRatioBasedSampler(ratio),
};

/** Passes spans on and counts what became of them. */
class CountedExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #onSent: SpansSent;

  constructor(exporter: SpanExporter, onSent: SpansSent) {
    this.#exporter = exporter;
    this.#onSent = onSent;
  }

  export(spans: ReadableSpan[], onDone: (result: ExportResult) => void): void {
    this.#exporter.export(spans, (result) => {
      this.#onSent(spans.length, result.code === ExportResultCode.SUCCESS ? "exported" : "failed");
      onDone(result);
    });
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }
}
