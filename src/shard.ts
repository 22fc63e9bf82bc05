/**
 * Composition root of a data shard: one long piscina task that owns its sockets, its gRPC server and its kernel
 * instance over the shared memory. It ends when the control thread says so.
 */
import { type MessagePort, threadId } from "node:worker_threads";
import { type HealthRoutes, healthRoutes } from "./admin/health-routes.ts";
import { HealthState } from "./admin/health-state.ts";
import { systemClock } from "./base/clock.ts";
import { ERROR_KINDS, type ErrorCode, messageOf } from "./base/errors.ts";
import { Prng } from "./base/prng.ts";
import { randomUuid } from "./base/uuid.ts";
import { BUILTIN_PLUGINS } from "./builtins.ts";
import { SHARD_SLABS_MAX } from "./config/defaults.ts";
import type { FinishRecord } from "./director/context.ts";
import { DecisionQueue } from "./director/decision-queue.ts";
import { Director } from "./director/director.ts";
import { outcomeOf } from "./director/outcome.ts";
import { Conversation } from "./extproc/conversation.ts";
import type { ConversationContext } from "./extproc/conversation-context.ts";
import { countStreams } from "./extproc/counted-streams.ts";
import { RequestHeaderReader } from "./extproc/request-headers.ts";
import { SLAB_SIZE, SlabPool } from "./extproc/slab-pool.ts";
import { listenDirect } from "./extproc/transport/direct/direct.ts";
import { listenGrpcJs } from "./extproc/transport/grpc-js.ts";
import { type OpenConversation, PROCESS_PATH, type Transport } from "./extproc/transport/transport.ts";
import { formatPluginStates } from "./framework/plugin-states.ts";
import { PluginRegistry } from "./framework/registry.ts";
import { answerQueries } from "./platform/answer-queries.ts";
import { serveQueries } from "./platform/thread-queries.ts";
import { PLANNED_PLUGINS } from "./plugins/planned.ts";
import { FailureReports } from "./shards/failure-reports.ts";
import type { FromShard, ShardResult, ShardTask, ToShard } from "./shards/messages.ts";
import { PluginReports } from "./shards/plugin-reports.ts";
import { PolicyLoader } from "./shards/policy-loader.ts";
import { ProxyWatch } from "./shards/proxy-watch.ts";
import { ShardState } from "./shards/shard-state.ts";
import { SlabReports } from "./shards/slab-reports.ts";
import { EXCHANGE_CAUSES } from "./telemetry/metrics.ts";
import { OutcomeSampler } from "./telemetry/outcome-sampler.ts";
import type { RequestMetrics } from "./telemetry/request-metrics.ts";
import { countConnections } from "./telemetry/series/connection-series.ts";
import { pluginTimer } from "./telemetry/series/plugin-series.ts";
import { RequestSeries } from "./telemetry/series/request-series.ts";
import { ShardSeries } from "./telemetry/series/shard-series.ts";
import { countSpans } from "./telemetry/series/span-series.ts";
import { StreamSeries } from "./telemetry/series/stream-series.ts";
import { traceRequests } from "./telemetry/tracing/load.ts";
import { AttributeColumns } from "./wasm/attribute-columns.ts";
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
export default async function runShard(task: ShardTask): Promise<ShardResult> {
  const send = (message: FromShard): void => task.control.postMessage(message);
  const kernel = instantiateKernel(task.memory);
  const memory = new ShardMemory(task.memory, kernel, task.shard);
  const series = new ShardSeries(task.series);
  const reports = new PluginReports({ clock: systemClock, send });
  const prng = new Prng(task.seed);
  const loader = new PolicyLoader({
    registry: new PluginRegistry(BUILTIN_PLUGINS, PLANNED_PLUGINS),
    clock: systemClock,
    prng: prng.fork("plugins"),
    columns: new AttributeColumns(task.memory, kernel),
    reports,
    timerOf: (plugin) => pluginTimer(series, plugin),
  });
  let state: ShardState;
  try {
    state = await ShardState.open(task, { loader, memory, send });
  } catch (error) {
    send({ kind: "policyFailed", number: task.policy.number, message: messageOf(error) });
    return { streamsCut: 0 };
  }
  const counted = new RequestSeries(series, systemClock);
  const tracing = task.tracing && (await traceRequests(counted, task.tracing, tracingHooks(series)));
  const metrics = tracing?.metrics ?? counted;
  const slabReports = new SlabReports({ clock: systemClock, send, size: SHARD_SLABS_MAX * SLAB_SIZE });
  const slabs = slabPool(memory, slabReports);
  const outcomes = outcomeSampler(send);
  const context = conversationContext(task, { memory, slabs, metrics, prng, state, outcomes, send });
  const open: OpenConversation = (stream) => new Conversation(stream, context);
  const streams = new StreamSeries(series, systemClock);
  const pluginStates = (): string => formatPluginStates(state.policies.active.compiled.plugins);
  serveQueries(task.queries, answerQueries({ clock: systemClock, pluginStates }));
  const { tls, servesHealth, messageReceiveSizeMax, messageSendSizeMax } = task.serving;
  const health = new HealthState();
  health.update({ isReady: task.isReady });
  const healthService = healthRoutes(health);
  const handshakes = new FailureReports(systemClock, (report) => send({ kind: "handshakesFailed", report }));
  const failures = new FailureReports(systemClock, (report) => send({ kind: "connectionsFailed", report }));
  let transport: Transport;
  try {
    const listenOn = task.serving.transport === "direct" ? listenDirect : listenGrpcJs;
    transport = await listenOn({
      ...task.listen,
      ...(tls !== undefined && { tls }),
      routes: new Map([
        [PROCESS_PATH, task.countsStreams ? countStreams(open, () => streams.open()) : open],
        ...(servesHealth ? healthService.routes : []),
      ]),
      messageSizeMax: messageReceiveSizeMax ?? task.requestBodySizeMax + MESSAGE_HEADROOM_SIZE,
      messageSendSizeMax,
      onHandshakeFailed: (reason) => handshakes.add(reason),
      onConnectionFailed: (reason) => failures.add(reason),
      clock: systemClock,
      slabs,
    });
  } catch (error) {
    send({ kind: "listenFailed", code: errorCode(error), message: messageOf(error) });
    return { streamsCut: 0 };
  }
  send({ kind: "listening", port: transport.port, thread: threadId });
  const countingConnections = countConnections(series, systemClock, () => transport.load().connections);
  const onShed = (): void => send({ kind: "connectionShed" });
  const streamsCut = await untilTold(task.control, { transport, health, healthService, state, onShed });
  countingConnections.cancel();
  handshakes.close();
  failures.close();
  reports.close();
  outcomes.close();
  slabReports.close();
  await tracing?.close();
  task.control.close();
  return { streamsCut };
}

function conversationContext(
  task: ShardTask,
  shard: {
    readonly memory: ShardMemory;
    readonly slabs: SlabPool;
    readonly metrics: RequestMetrics;
    readonly prng: Prng;
    readonly state: ShardState;
    readonly outcomes: OutcomeSampler;
    readonly send: (message: FromShard) => void;
  },
): ConversationContext {
  const { memory, slabs, metrics, prng, state, outcomes, send } = shard;
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
    policies: state.policies,
    fleet: state.fleet,
    objectives: state.objectives,
    limits: { requestBodySizeMax: task.requestBodySizeMax, modelSizeMax: layout.MODEL_SIZE_MAX },
    onUnknownName: reportOnce((name) => send({ kind: "unknownName", name })),
    ...(task.reportDecisions && { onDecision: (record) => send({ kind: "decision", record }) }),
    onFinished(record) {
      countFinished(memory, record);
      // A defect is told in any case.
      if (!task.reportOutcomes && record.refusal?.code !== "Internal") return;
      outcomes.add({ cause: record.cause, status: record.response?.status }, () => outcomeOf(record));
    },
    metrics,
  });
  const requestIds = prng.fork("request ids");
  const errorCodes = Object.keys(ERROR_KINDS) as ErrorCode[];
  return {
    director,
    headers: new RequestHeaderReader(),
    newRequestId: () => randomUuid(requestIds),
    slabs,
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
    proxyReports: new ProxyWatch(systemClock, send),
    onStreamOpened: () => memory.count(layout.SHARD_COUNTER_STREAMS_OPENED),
    onStreamClosed: () => memory.count(layout.SHARD_COUNTER_STREAMS_CLOSED),
  };
}

function slabPool(memory: ShardMemory, reports: SlabReports): SlabPool {
  return new SlabPool({
    slabsMax: SHARD_SLABS_MAX,
    onExhausted() {
      memory.count(layout.SHARD_COUNTER_SLABS_EXHAUSTED);
      reports.onExhausted();
    },
  });
}

function outcomeSampler(send: (message: FromShard) => void): OutcomeSampler {
  return new OutcomeSampler(systemClock, {
    onOutcomes: (outcomes) => send({ kind: "outcomes", outcomes }),
    onSuppressed: (counts) => send({ kind: "suppressedOutcomes", counts }),
  });
}

function tracingHooks(series: ShardSeries): Parameters<typeof traceRequests>[2] {
  return { clock: systemClock, onSent: (count, outcome) => countSpans(series, count, outcome) };
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

/** Does what the control thread says; resolves when that was to end, with the number of streams that were cut. */
function untilTold(
  control: MessagePort,
  served: {
    readonly transport: Transport;
    readonly health: HealthState;
    readonly healthService: HealthRoutes;
    readonly state: ShardState;
    readonly onShed: () => void;
  },
): Promise<number> {
  const { transport, health, healthService, state, onShed } = served;
  const end = async (graceMs: number): Promise<number> => {
    health.update({ isReady: false });
    healthService.endWatches();
    const streamsCut = graceMs > 0 ? await transport.drain(graceMs) : 0;
    await transport.close();
    return streamsCut;
  };
  return new Promise((resolve) => {
    control.on("message", (message: ToShard) => {
      switch (message.kind) {
        case "certificate":
          transport.replaceCertificate(message.keyPair);
          break;
        case "health":
          health.update({ isReady: message.isReady });
          break;
        case "shed":
          if (transport.shedConnection(message.share)) onShed();
          break;
        case "policy":
        case "fleet":
        case "objectives":
          state.take(message);
          break;
        case "drain":
          void end(message.graceMs).then(resolve);
          break;
        case "close":
          void end(0).then(resolve);
          break;
      }
    });
  });
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}
