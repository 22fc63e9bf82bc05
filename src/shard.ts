/**
 * Composition root of a data shard: one long piscina task that owns its sockets, its gRPC server and its kernel
 * instance over the shared memory. It ends when the control thread says so.
 */
import { type MessagePort, threadId } from "node:worker_threads";
import { systemClock } from "./base/clock.ts";
import { ERROR_KINDS, type ErrorCode, messageOf } from "./base/errors.ts";
import { Prng } from "./base/prng.ts";
import { randomUuid } from "./base/uuid.ts";
import type { FinishRecord } from "./director/context.ts";
import { DecisionQueue } from "./director/decision-queue.ts";
import { Director } from "./director/director.ts";
import { Conversation, type ConversationContext } from "./extproc/conversation.ts";
import { countStreams } from "./extproc/counted-streams.ts";
import { listenGrpcJs } from "./extproc/transport/grpc-js.ts";
import type { OpenConversation, Transport } from "./extproc/transport/transport.ts";
import { formatPluginStates } from "./framework/plugin-states.ts";
import { parsersOf } from "./parsing/parsers.ts";
import { answerQueries } from "./platform/answer-queries.ts";
import { serveQueries } from "./platform/thread-queries.ts";
import type { FromShard, ShardTask, ToShard } from "./shards/messages.ts";
import { EXCHANGE_CAUSES } from "./telemetry/metrics.ts";
import { RequestSeries } from "./telemetry/series/request-series.ts";
import { ShardSeries } from "./telemetry/series/shard-series.ts";
import { StreamSeries } from "./telemetry/series/stream-series.ts";
import { instantiateKernel } from "./wasm/kernel.ts";
import { layout } from "./wasm/layout.ts";
import { ShardMemory } from "./wasm/shard-memory.ts";

/**
 * A buffering proxy sends a body in one message, with the headers' attributes and metadata. A body just over the limit
 * must still arrive, so that it is refused with a reason.
 */
const MESSAGE_HEADROOM_SIZE = 1024 * 1024;

/** Names reported to the control thread; further unknown ones are counted as "other" without a report. */
const REPORTED_NAMES_MAX = layout.NAMES_MAX;

/** Runs until it is told to end. Resolves then; rejects never: a shard that cannot listen says so and ends. */
export default async function runShard(task: ShardTask): Promise<void> {
  const send = (message: FromShard): void => task.control.postMessage(message);
  const series = new ShardSeries(task.series);
  const context = conversationContext(task, series, send);
  const open: OpenConversation = (stream) => new Conversation(stream, context);
  const streams = new StreamSeries(series, systemClock);
  serveQueries(task.queries, answerQueries({ clock: systemClock, pluginStates: () => formatPluginStates([]) }));
  let transport: Transport;
  try {
    transport = await listenGrpcJs({
      ...task.listen,
      messageSizeMax: task.requestBodySizeMax + MESSAGE_HEADROOM_SIZE,
      clock: systemClock,
      open: task.countsStreams ? countStreams(open, () => streams.open()) : open,
    });
  } catch (error) {
    send({ kind: "listenFailed", code: errorCode(error), message: messageOf(error) });
    return;
  }
  send({ kind: "listening", port: transport.port, thread: threadId });
  await untilTold(task.control, transport);
  task.control.close();
}

function conversationContext(
  task: ShardTask,
  series: ShardSeries,
  send: (message: FromShard) => void,
): ConversationContext {
  const memory = new ShardMemory(task.memory, instantiateKernel(task.memory), task.shard);
  const prng = new Prng(task.seed);
  const decisions = new DecisionQueue({
    memory,
    clock: systemClock,
    withScores: task.reportDecisions,
    withCandidates: task.emitEndpointScores,
    defer: (run) => setImmediate(run),
  });
  const director = new Director({
    memory,
    decisions,
    clock: systemClock,
    prng: prng.fork("decisions"),
    parsers: parsersOf(task.parserTypes),
    limits: { requestBodySizeMax: task.requestBodySizeMax, modelSizeMax: layout.MODEL_SIZE_MAX },
    onUnknownName: reportOnce((name) => send({ kind: "unknownName", name })),
    ...(task.reportDecisions && { onDecision: (record) => send({ kind: "decision", record }) }),
    onFinished: (record) => countFinished(memory, record),
    metrics: new RequestSeries(series, systemClock),
  });
  const requestIds = prng.fork("request ids");
  const errorCodes = Object.keys(ERROR_KINDS) as ErrorCode[];
  return {
    director,
    newRequestId: () => randomUuid(requestIds),
    onRefusal({ code, message }) {
      memory.count(layout.SHARD_COUNTER_REFUSED + errorCodes.indexOf(code));
      if (task.reportDecisions) send({ kind: "refusal", code, message });
    },
    onProtocolError(message) {
      memory.count(layout.SHARD_COUNTER_PROTOCOL_ERRORS);
      if (task.reportDecisions) send({ kind: "protocolError", message });
    },
    honoursSubsetHint: task.honoursSubsetHint,
    onRewriteSkipped: () => memory.count(layout.SHARD_COUNTER_REWRITES_SKIPPED),
    onServedElsewhere: () => memory.count(layout.SHARD_COUNTER_SERVED_ELSEWHERE),
    onStreamOpened: () => memory.count(layout.SHARD_COUNTER_STREAMS_OPENED),
    onStreamClosed: () => memory.count(layout.SHARD_COUNTER_STREAMS_CLOSED),
  };
}

function countFinished(memory: ShardMemory, { cause, response }: FinishRecord): void {
  memory.count(layout.SHARD_COUNTER_FINISHED + EXCHANGE_CAUSES.indexOf(cause));
  if (response === undefined) return;
  memory.count(layout.SHARD_COUNTER_RESPONSE_EVENTS, response.eventCount);
  memory.count(layout.SHARD_COUNTER_PROMPT_TOKENS, response.usage?.promptTokens ?? 0);
  memory.count(layout.SHARD_COUNTER_CACHED_TOKENS, response.usage?.cachedTokens ?? 0);
  memory.count(layout.SHARD_COUNTER_COMPLETION_TOKENS, response.usage?.completionTokens ?? 0);
}

function reportOnce(report: (name: string) => void): (name: string) => void {
  const reported = new Set<string>();
  return (name) => {
    if (reported.has(name) || reported.size >= REPORTED_NAMES_MAX) return;
    reported.add(name);
    report(name);
  };
}

function untilTold(control: MessagePort, transport: Transport): Promise<void> {
  return new Promise((resolve) => {
    control.on("message", (message: ToShard) => {
      const graceMs = message.kind === "drain" ? message.graceMs : 0;
      void (async () => {
        if (graceMs > 0) await transport.drain(graceMs);
        await transport.close();
        resolve();
      })();
    });
  });
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}
