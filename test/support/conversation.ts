/**
 * Conversations without a socket: a real director over a kernel of its own, and streams that a test feeds and reads.
 * Time moves by `turn` only, which runs what production defers to the end of an event-loop turn. The memory of each
 * message is overwritten once it was given, as a transport does with its own: what keeps it reads nonsense.
 */
import { ManualClock } from "../../src/base/clock.ts";
import type { EppError } from "../../src/base/errors.ts";
import { Prng } from "../../src/base/prng.ts";
import { BUILTIN_PLUGINS } from "../../src/builtins.ts";
import { PARSER_TYPES_DEFAULT } from "../../src/config/defaults.ts";
import type { DecisionRecord, FinishRecord } from "../../src/director/context.ts";
import { DecisionQueue } from "../../src/director/decision-queue.ts";
import { Director } from "../../src/director/director.ts";
import { KnownFleet } from "../../src/director/known-fleet.ts";
import { ObjectiveTable } from "../../src/director/objectives.ts";
import { parsersOfPolicy } from "../../src/director/policy-parsers.ts";
import { PolicySet } from "../../src/director/policy-set.ts";
import { Conversation } from "../../src/extproc/conversation.ts";
import { RequestHeaderReader } from "../../src/extproc/request-headers.ts";
import { SlabPool } from "../../src/extproc/slab-pool.ts";
import type { ExtProcStream } from "../../src/extproc/transport/transport.ts";
import type { FleetEndpoint, Labels } from "../../src/framework/fleet.ts";
import type { Objective } from "../../src/framework/objective.ts";
import type { PluginDefinition } from "../../src/framework/plugin.ts";
import { PluginRegistry } from "../../src/framework/registry.ts";
import type { ParserDefinition } from "../../src/parsing/parser.ts";
import { joined } from "../../src/platform/grpc-call.ts";
import { compilePolicy, type PolicyConfig } from "../../src/scheduling/policy.ts";
import { PolicyResources } from "../../src/scheduling/policy-resources.ts";
import { SharedColumns } from "../../src/scheduling/shared-columns.ts";
import { AttributeColumns } from "../../src/wasm/attribute-columns.ts";
import { SharedCounters } from "../../src/wasm/counters.ts";
import { layout } from "../../src/wasm/layout.ts";
import { PolicyMasks } from "../../src/wasm/policy-masks.ts";
import { encodeProcessingRequest, type ProcessingRequestInput } from "../../src/wire/ext-proc/request-encoder.ts";
import { decodeProcessingResponse, type ProcessingResponse } from "../../src/wire/ext-proc/response-decoder.ts";
import { cutAtRandom } from "./cuts.ts";
import { DEFAULT_CONFIG } from "./default-config.ts";
import { type EndpointLoad, endpoint, type TestFleet, testFleet } from "./fleet.ts";
import type { KernelBuild } from "./kernel.ts";

/** One stream of a test: what it was sent, and how it ended. */
export interface TestStream {
  readonly answers: readonly ProcessingResponse[];
  /** "ended": status OK. "failed": an error status, with its message. "cancelled": by the proxy. */
  readonly state: "open" | "ended" | "failed" | "cancelled";
  readonly failure: string | undefined;
  send(...messages: readonly ProcessingRequestInput[]): void;
  sendBytes(bytes: Buffer): void;
  /** The next bytes of a message, of which `left` more come. */
  sendPiece(bytes: Buffer, left: number): void;
  halfClose(): void;
  cancel(): void;
}

export interface TestShard {
  readonly fleet: TestFleet;
  readonly counters: SharedCounters;
  readonly decisions: readonly DecisionRecord[];
  readonly refusals: readonly EppError[];
  readonly protocolErrors: readonly string[];
  readonly unknownNames: readonly string[];
  /** What was said of plugins: failures, rests, warnings. */
  readonly pluginReports: readonly string[];
  readonly clock: ManualClock;
  /** How the requests ended. */
  readonly finished: readonly FinishRecord[];
  readonly rewritesSkipped: number;
  readonly servedElsewhere: number;
  /** What was said of how the proxy shows responses. */
  readonly proxyReports: readonly string[];
  readonly streamsOpen: number;
  /** Slabs that bodies are kept in now, and how often there were too few. */
  readonly slabsTaken: number;
  readonly slabsExhausted: number;
  open(): TestStream;
  /** Runs what was deferred to the end of this event-loop turn. */
  turn(): void;
  /** Stream windows that could be taken now. */
  freeWindowCount(): number;
}

export interface TestShardOptions {
  readonly build?: KernelBuild;
  readonly endpointCount?: number;
  readonly windowCount?: number;
  readonly requestBodySizeMax?: number;
  readonly seed?: number;
  /** How a message is given: as one, or in pieces that are cut at random. Whole when absent. */
  readonly delivery?: Delivery;
  readonly slabsMax?: number;
  readonly honoursSubsetHint?: boolean;
  readonly emitEndpointScores?: boolean;
  readonly parsers?: readonly ParserDefinition[];
  /** Endpoints that a pick names. */
  readonly targetsMax?: number;
  /** The default one when absent. */
  readonly config?: PolicyConfig;
  /** Types besides the built-in ones. */
  readonly plugins?: readonly PluginDefinition[];
  /** Loads of the endpoints, in order; idle ones when absent. */
  readonly loads?: readonly EndpointLoad[];
  /** Labels of the endpoints, in order. */
  readonly labels?: readonly Labels[];
  readonly objectives?: readonly Objective[];
}

export type Delivery = "whole" | "in pieces";

/** For suites that hold either way. */
export const DELIVERIES: readonly Delivery[] = ["whole", "in pieces"];

const SLABS_MAX = 64;

/** A shard with idle endpoints 10.0.0.0:8000, 10.0.0.1:8000, … under the default policy. */
export function testShard(options: TestShardOptions = {}): TestShard {
  const { build = "debug", endpointCount = 3, windowCount = 16, requestBodySizeMax = 16 * 1024 * 1024 } = options;
  const clock = new ManualClock();
  const pluginReports: string[] = [];
  const proxyReports: string[] = [];
  const shared = new SharedColumns({
    get: (column, slot) => values.get(column, slot),
    set: (column, slot, value) => values.set(column, slot, value),
  });
  const registry = new PluginRegistry([...BUILTIN_PLUGINS, ...(options.plugins ?? [])]);
  const compiled = compilePolicy(options.config ?? DEFAULT_CONFIG, registry, {
    nowMs: () => clock.nowMs(),
    random: () => 0,
    onWarning: (plugin, text) => pluginReports.push(`${plugin}: ${text}`),
    sharedColumn: (plugin, column) => shared.column(plugin, column),
    reports: {
      onFailure: (plugin, cause, message) => pluginReports.push(`${plugin} ${cause}: ${message}`),
      onResting: (plugin) => pluginReports.push(`${plugin} rests`),
      onWorking: (plugin) => pluginReports.push(`${plugin} works`),
    },
  });
  const { targetsMax } = options;
  const columnNumbers = new Map(compiled.columns.map(({ key }, position) => [key, position]));
  const profiles = compiled.program.profiles.map((profile) => ({ ...profile, ...(targetsMax && { targetsMax }) }));
  const endpoints = options.loads ?? Array.from({ length: endpointCount }, () => endpoint());
  const fleet = testFleet(build, endpoints, [], {
    shape: { streamWindowCount: windowCount },
    policy: { ...compiled.program, profiles },
  });
  const values = new AttributeColumns(fleet.memory, fleet.kernel);
  shared.bind(columnNumbers);
  const [memory] = fleet.shards;
  if (memory === undefined) throw new Error("the test fleet has no shard");
  const known = new KnownFleet();
  const named = endpoints.map((_, slot) => testEndpoint(slot, memory.hostPort(slot), options.labels?.[slot] ?? {}));
  known.replace({ version: 1, endpoints: named });
  const policy = { number: memory.activePolicy, compiled, columnNumbers };
  new PolicyResources(new PolicyMasks(fleet.memory), values).write(policy, named);
  const objectives = new ObjectiveTable();
  objectives.replace(options.objectives ?? []);
  const deferred: (() => void)[] = [];
  const decisions: DecisionRecord[] = [];
  const finished: FinishRecord[] = [];
  const refusals: EppError[] = [];
  const protocolErrors: string[] = [];
  const unknownNames: string[] = [];
  const prng = new Prng(options.seed ?? 1);
  const director = new Director({
    memory,
    decisions: new DecisionQueue({
      memory,
      clock,
      withScores: true,
      withCandidates: options.emitEndpointScores ?? false,
      defer: (task) => deferred.push(task),
    }),
    clock,
    prng: prng.fork("decisions"),
    policies: new PolicySet(
      {
        ...policy,
        parsers: options.parsers ?? parsersOfPolicy(compiled, options.config?.parsers ?? PARSER_TYPES_DEFAULT),
      },
      { hold: () => undefined, release: () => undefined },
    ),
    fleet: known,
    objectives,
    limits: { requestBodySizeMax, modelSizeMax: layout.MODEL_SIZE_MAX },
    onUnknownName: (name) => unknownNames.push(name),
    onDecision: (record) => decisions.push(record),
    onFinished: (record) => finished.push(record),
  });
  const headers = new RequestHeaderReader();
  const slabs = new SlabPool({ slabsMax: options.slabsMax ?? SLABS_MAX, onExhausted: () => slabsExhausted++ });
  const cuts = prng.fork("cuts");
  const piecesOf = (message: Buffer): Buffer[] =>
    options.delivery === "in pieces" ? cutAtRandom(message, cuts).filter(({ length }) => length > 0) : [message];
  let slabsExhausted = 0;
  let streamsOpen = 0;
  let rewritesSkipped = 0;
  let servedElsewhere = 0;
  let requestIds = 0;
  return {
    fleet,
    counters: new SharedCounters(fleet.memory, fleet.kernel),
    decisions,
    refusals,
    protocolErrors,
    unknownNames,
    pluginReports,
    proxyReports,
    clock,
    finished,
    get rewritesSkipped() {
      return rewritesSkipped;
    },
    get servedElsewhere() {
      return servedElsewhere;
    },
    get streamsOpen() {
      return streamsOpen;
    },
    get slabsTaken() {
      return slabs.takenCount;
    },
    get slabsExhausted() {
      return slabsExhausted;
    },
    open: () =>
      openStream(piecesOf, (stream) => {
        return new Conversation(stream, {
          director,
          headers,
          newRequestId: () => `made-${requestIds++}`,
          slabs,
          honoursSubsetHint: options.honoursSubsetHint ?? true,
          onRewriteSkipped: () => rewritesSkipped++,
          onServedElsewhere: () => servedElsewhere++,
          proxyReports: {
            nowMs: () => clock.nowMs(),
            onAsWanted: () => proxyReports.push("as wanted"),
            onBodyHidden: () => proxyReports.push("hidden"),
            onBodyShown: ({ response }) => proxyReports.push(`shown in ${response}`),
            onUnseenEnd: (lastedMs) => proxyReports.push(`unseen for ${lastedMs} ms`),
          },
          onRefusal: (error) => refusals.push(error),
          onProtocolError: (message) => protocolErrors.push(message),
          onStreamOpened: () => streamsOpen++,
          onStreamClosed: () => streamsOpen--,
        });
      }),
    turn() {
      for (const task of deferred.splice(0)) task();
    },
    freeWindowCount() {
      const taken: number[] = [];
      for (;;) {
        const window = memory.acquireWindow(layout.API_OPENAI_CHAT, memory.activePolicy);
        if (window === undefined) break;
        taken.push(window);
      }
      for (const window of taken.reverse()) memory.releaseWindow(window);
      return taken.length;
    },
  };
}

function testEndpoint(slot: number, hostPort: string, labels: Labels): FleetEndpoint {
  const [address = ""] = hostPort.split(":");
  return {
    id: `default/endpoint-${slot}`,
    slot: slot as FleetEndpoint["slot"],
    generation: 1,
    address,
    hostPort,
    labels,
  };
}

/** No ASCII, and no UTF-8. */
const OVERWRITTEN = 0xff;

/** A stream that keeps the rules of `transport.ts`: exactly one onClose, and nothing sent or received after the end. */
function openStream(
  piecesOf: (message: Buffer) => Buffer[],
  open: (stream: ExtProcStream) => Conversation,
): TestStream {
  const answers: ProcessingResponse[] = [];
  let state: TestStream["state"] = "open";
  let failure: string | undefined;
  const close = (how: Exclude<TestStream["state"], "open">): void => {
    if (state !== "open") return;
    state = how;
    conversation.onClose(how === "cancelled" ? "cancelled" : "ended");
  };
  const conversation = open({
    send(message) {
      if (state === "open") answers.push(decodeProcessingResponse(Buffer.from(joined(message))));
    },
    requestReady: () => conversation.onReady(),
    end: () => close("ended"),
    fail(message) {
      failure = message;
      close("failed");
    },
  });
  const give = (bytes: Buffer, take: (memory: Buffer) => void): void => {
    if (state !== "open") return;
    const memory = Buffer.from(bytes);
    take(memory);
    memory.fill(OVERWRITTEN);
  };
  const sendPiece = (bytes: Buffer, left: number): void =>
    give(bytes, (memory) => conversation.onMessagePiece(memory, left));
  const sendBytes = (message: Buffer): void => {
    const pieces = piecesOf(message);
    if (pieces.length < 2) return give(message, (memory) => conversation.onMessage(memory));
    let left = message.length;
    for (const piece of pieces) {
      left -= piece.length;
      sendPiece(piece, left);
    }
  };
  return {
    answers,
    get state() {
      return state;
    },
    get failure() {
      return failure;
    },
    send(...messages) {
      for (const message of messages) sendBytes(encodeProcessingRequest(message));
    },
    sendBytes,
    sendPiece,
    halfClose() {
      if (state === "open") conversation.onHalfClose();
    },
    cancel: () => close("cancelled"),
  };
}
