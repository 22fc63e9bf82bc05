import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { requestHistograms, timeToFirstToken } from "../../../../src/telemetry/metrics/request-metrics.ts";
import type {
  RequestMeter,
  RequestMetrics,
  RoutedFacts,
  ScheduledFacts,
} from "../../../../src/telemetry/request-metrics.ts";
import { RequestSeries } from "../../../../src/telemetry/series/request-series.ts";
import { SeriesView } from "../../../../src/telemetry/series/series-view.ts";
import type { ShardSeries } from "../../../../src/telemetry/series/shard-series.ts";

import { exposition, shardSeries } from "../../../support/metric-sources.ts";
import { findSample } from "../../../support/prometheus-oracle.ts";

const LABELS = { modelName: "llama", targetModelName: "llama-7b", fairnessId: "team-a", priority: 2 };
const TEXT_LABELS = { model_name: "llama", target_model_name: "llama-7b", fairness_id: "team-a", priority: "2" };
const PICK = { slot: 3, generation: 1, candidateCount: 4, blockCount: 10, matchedBlocks: 4 };
const SCHEDULED: ScheduledFacts = { pick: PICK, blockSize: 256, durationMs: 0.3 };
const ROUTED: RoutedFacts = { slot: 3, tokens: 500, requestSize: 2_000 };
const NOTHING_TOLD = { isComplete: true, usage: undefined };

interface Bed {
  readonly clock: ManualClock;
  readonly series: ShardSeries;
  readonly meter: RequestMeter;
  /** A value of the exposition; labels that are not given do not matter. */
  value(name: string, labels?: Record<string, string>): Promise<number | undefined>;
}

function bed(): Bed {
  const clock = new ManualClock();
  const series = shardSeries();
  const metrics: RequestMetrics = new RequestSeries(series, clock);
  const view = new SeriesView([series]);
  return {
    clock,
    series,
    meter: metrics.open("request-1"),
    value: async (name, labels = TEXT_LABELS) => findSample(await exposition({ series: view }), name, labels),
  };
}

/** A routed request whose answer was sent. */
function routedBed(): Bed {
  const made = bed();
  made.meter.identify(LABELS);
  made.meter.onScheduled(SCHEDULED);
  made.meter.onRouted(ROUTED);
  made.meter.onAnswered();
  return made;
}

describe("a meter", () => {
  it("counts a request and its size when it is routed, under its labels", async () => {
    const { value } = routedBed();
    expect(await value("llm_d_epp_request_total")).toBe(1);
    expect(await value("llm_d_epp_request_size_bytes_bucket", { ...TEXT_LABELS, le: "1024" })).toBe(0);
    expect(await value("llm_d_epp_request_size_bytes_bucket", { ...TEXT_LABELS, le: "2048" })).toBe(1);
    expect(await value("llm_d_epp_request_size_bytes_sum")).toBe(2_000);
  });

  it("counts a refused request as an error only", async () => {
    const { meter, value } = bed();
    meter.identify(LABELS);
    meter.onRefused("ServiceUnavailable");
    meter.onClosed({ isComplete: false, usage: undefined });
    expect(await value("llm_d_epp_request_error_total", { ...TEXT_LABELS, error_code: "ServiceUnavailable" })).toBe(1);
    expect(await value("llm_d_epp_request_total")).toBeUndefined();
    expect(await value("llm_d_epp_request_running")).toBeUndefined();
  });

  it("counts a body that cannot be read under no model and the default flow", async () => {
    const { meter, value } = bed();
    meter.onRefused("BadRequest");
    const labels = { model_name: "", target_model_name: "", fairness_id: "default-flow", priority: "0" };
    expect(await value("llm_d_epp_request_error_total", { ...labels, error_code: "BadRequest" })).toBe(1);
  });

  it.each([
    [200, undefined],
    [503, 1],
    [undefined, undefined],
  ])("counts a response of status %s as %s errors of the model server", async (status, errors) => {
    const { meter, value } = routedBed();
    meter.onResponseHeaders({ status, isStreaming: false });
    expect(await value("llm_d_epp_request_error_total", { ...TEXT_LABELS, error_code: "ModelServerError" })).toBe(
      errors,
    );
  });

  it("lets a request run from its answer to the end of its stream, however often that is told", async () => {
    const { meter, value } = routedBed();
    expect(await value("llm_d_epp_request_running")).toBe(1);
    meter.onClosed(NOTHING_TOLD);
    meter.onClosed(NOTHING_TOLD);
    expect(await value("llm_d_epp_request_running")).toBe(0);
  });

  it("takes a request without a model as none that runs", async () => {
    const { meter, value } = bed();
    meter.identify({ ...LABELS, modelName: "" });
    meter.onScheduled(SCHEDULED);
    meter.onRouted(ROUTED);
    meter.onAnswered();
    const labels = { ...TEXT_LABELS, model_name: "" };
    expect(await value("llm_d_epp_request_total", labels)).toBe(1);
    expect(await value("llm_d_epp_request_running", labels)).toBeUndefined();
  });

  it("gives back the running request in the row in which it counted, when its labels changed meanwhile", async () => {
    const { meter, value } = routedBed();
    meter.identify({ ...LABELS, targetModelName: "llama-70b" });
    meter.onClosed({ isComplete: false, usage: undefined });
    expect(await value("llm_d_epp_request_running")).toBe(0);
  });

  it("measures a streamed response: duration, first token, tokens, gaps, sizes", async () => {
    const { meter, clock, value } = routedBed();
    clock.advance(100);
    meter.onResponseHeaders({ status: 200, isStreaming: true });
    clock.advance(50);
    meter.onResponseChunk(30);
    clock.advance(1);
    meter.onResponseChunkDone();
    clock.advance(29);
    meter.onResponseChunk(30);
    clock.advance(2);
    meter.onResponseChunkDone();
    clock.advance(18);
    meter.onResponseChunk(40);
    meter.onResponseChunkDone();
    // The stream is closed later; the response was over before.
    clock.advance(500);
    meter.onClosed({ isComplete: true, usage: { promptTokens: 900, cachedTokens: 0, completionTokens: 6 } });
    expect(await value("llm_d_epp_request_duration_seconds_sum")).toBeCloseTo(0.2, 9);
    expect(await value("llm_d_epp_request_ttft_seconds_sum", { ...TEXT_LABELS, streaming: "true" })).toBeCloseTo(
      0.15,
      9,
    );
    expect(await value("llm_d_epp_request_ntpot_seconds_sum")).toBeCloseTo(0.2 / 6, 9);
    expect(await value("llm_d_epp_request_streaming_tpot_seconds_sum")).toBeCloseTo(0.05 / 5, 9);
    expect(await value("llm_d_epp_request_streaming_itl_seconds_count")).toBe(2);
    expect(await value("llm_d_epp_request_streaming_itl_seconds_sum")).toBeCloseTo(0.05, 9);
    expect(await value("llm_d_epp_response_size_bytes_sum")).toBe(100);
    expect(await value("llm_d_epp_request_input_tokens_sum")).toBe(900);
    expect(await value("llm_d_epp_request_output_tokens_sum")).toBe(6);
    expect(await value("llm_d_epp_request_cached_tokens_count")).toBe(1);
    expect(await value("llm_d_epp_response_processing_duration_seconds_sum", {})).toBeCloseTo(0.003, 9);
  });

  it.each([5, 8, 24, 104])("takes the time of all %d chunks of a stream from some of them", async (chunkCount) => {
    const { meter, clock, value } = routedBed();
    meter.onResponseHeaders({ status: 200, isStreaming: true });
    for (let chunk = 0; chunk < chunkCount; chunk++) {
      clock.advance(20);
      meter.onResponseChunk(30);
      // The first ones take longer.
      clock.advance(chunk < 8 ? 3 : 1);
      meter.onResponseChunkDone();
    }
    meter.onClosed({ isComplete: true, usage: undefined });
    const handledMs = 3 * Math.min(chunkCount, 8) + Math.max(0, chunkCount - 8);
    const handledSeconds = await value("llm_d_epp_response_processing_duration_seconds_sum", {});
    expect(handledSeconds).toBeCloseTo(handledMs / 1_000, 9);
  });

  it("measures a whole response: no gaps, no time per token, and the picker's time from headers to end", async () => {
    const { meter, clock, value } = routedBed();
    clock.advance(100);
    meter.onResponseHeaders({ status: 200, isStreaming: false });
    clock.advance(10);
    meter.onResponseChunk(10);
    meter.onResponseChunkDone();
    clock.advance(10);
    meter.onResponseChunk(10);
    meter.onResponseChunkDone();
    meter.onClosed({ isComplete: true, usage: { completionTokens: 4 } });
    expect(await value("llm_d_epp_request_ttft_seconds_sum", { ...TEXT_LABELS, streaming: "false" })).toBeCloseTo(
      0.11,
      9,
    );
    expect(await value("llm_d_epp_request_streaming_itl_seconds_count")).toBeUndefined();
    expect(await value("llm_d_epp_request_streaming_tpot_seconds_count")).toBeUndefined();
    expect(await value("llm_d_epp_response_processing_duration_seconds_sum", {})).toBeCloseTo(0.02, 9);
  });

  it.each([
    ["one token", { completionTokens: 1 }],
    ["no tokens told", undefined],
    ["no tokens", { promptTokens: 0, completionTokens: 0 }],
  ])("a streamed response with %s has no time per token", async (_name, usage) => {
    const { meter, value } = routedBed();
    meter.onResponseHeaders({ status: 200, isStreaming: true });
    meter.onResponseChunk(10);
    meter.onClosed({ isComplete: true, usage });
    expect(await value("llm_d_epp_request_duration_seconds_count")).toBe(1);
    expect(await value("llm_d_epp_request_streaming_tpot_seconds_count")).toBeUndefined();
    expect(await value("llm_d_epp_request_input_tokens_count")).toBeUndefined();
    expect(await value("llm_d_epp_request_cached_tokens_count")).toBeUndefined();
  });

  it("measures the time of an unseen response, and nothing else", async () => {
    const { meter, clock, value } = routedBed();
    meter.onResponseHeaders({ status: 200, isStreaming: true });
    clock.advance(40);
    meter.onClosed({ isComplete: true, isUnseen: true, usage: undefined });
    expect(await value("llm_d_epp_request_duration_seconds_sum")).toBeCloseTo(0.04, 9);
    expect(await value("llm_d_epp_response_size_bytes_count")).toBeUndefined();
    expect(await value("llm_d_epp_response_processing_duration_seconds_count", {})).toBe(0);
  });

  it("trailers end a response; they are no piece of its body", async () => {
    const { meter, clock, value } = routedBed();
    meter.onResponseHeaders({ status: 200, isStreaming: true });
    meter.onResponseChunk(10);
    clock.advance(40);
    meter.onResponseChunk(0);
    meter.onClosed(NOTHING_TOLD);
    expect(await value("llm_d_epp_request_duration_seconds_sum")).toBeCloseTo(0.04, 9);
    expect(await value("llm_d_epp_request_streaming_itl_seconds_count")).toBeUndefined();
  });

  it("a response that was cut off gives no times, sizes and tokens, but its gaps", async () => {
    const { meter, value } = routedBed();
    meter.onResponseHeaders({ status: 200, isStreaming: true });
    meter.onResponseChunk(10);
    meter.onResponseChunk(10);
    meter.onClosed({ isComplete: false, usage: { completionTokens: 5 } });
    for (const { name } of Object.values(requestHistograms)) {
      const isCounted = name.includes("_itl_") || name.includes("request_size");
      expect(await value(`${name}_count`), name).toBe(isCounted ? 1 : undefined);
    }
    expect(await value(`${timeToFirstToken.name}_count`)).toBeUndefined();
  });

  it("counts decisions: time in the scheduler, share and bytes of the prompt that were held", async () => {
    const { meter, value } = bed();
    meter.identify(LABELS);
    meter.onScheduled(SCHEDULED);
    meter.onScheduled({ ...SCHEDULED, pick: { ...PICK, blockCount: 0, matchedBlocks: 0 } });
    expect(await value("llm_d_epp_scheduler_e2e_duration_seconds_bucket", { le: "0.0002" })).toBe(0);
    expect(await value("llm_d_epp_scheduler_e2e_duration_seconds_bucket", { le: "0.0005" })).toBe(2);
    expect(await value("llm_d_epp_prefix_indexer_hit_bytes_sum", {})).toBe(1024);
    expect(await value("llm_d_epp_prefix_indexer_hit_bytes_count", {})).toBe(2);
    expect(await value("llm_d_epp_prefix_indexer_hit_ratio_count", {})).toBe(1);
    expect(await value("llm_d_epp_prefix_indexer_hit_ratio_bucket", { le: "0.4" })).toBe(1);
    expect(await value("llm_d_epp_prefix_indexer_hit_ratio_bucket", { le: "0.3" })).toBe(0);
  });

  it("counts no share of a prompt where the policy has no prefix cache", async () => {
    const { meter, value } = bed();
    meter.onScheduled({ ...SCHEDULED, blockSize: undefined });
    expect(await value("llm_d_epp_scheduler_e2e_duration_seconds_count", {})).toBe(1);
    expect(await value("llm_d_epp_prefix_indexer_hit_ratio_count", {})).toBe(0);
    expect(await value("llm_d_epp_prefix_indexer_hit_bytes_count", {})).toBe(0);
  });

  it("counts a decision without endpoint as a failed attempt for its target", async () => {
    const { meter, value } = bed();
    meter.identify(LABELS);
    meter.onScheduled({ ...SCHEDULED, pick: undefined });
    const labels = { status: "failure", target_model_name: "llama-7b", endpoint_name: "", namespace: "", port: "" };
    expect(await value("llm_d_epp_scheduler_attempts_total", labels)).toBe(1);
  });

  it("counts the time to an answer, whether the request is routed or refused", async () => {
    const { meter, clock, value } = bed();
    clock.advance(30);
    meter.onRefused("BadRequest");
    expect(await value("llm_d_epp_request_processing_duration_seconds_sum", {})).toBeCloseTo(0.03, 9);
    meter.onAnswered();
    expect(await value("llm_d_epp_request_processing_duration_seconds_count", {})).toBe(2);
  });
});
