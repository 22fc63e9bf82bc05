/**
 * A shard without sockets: all that stands between a transport and the kernel, over a fleet of its own. It counts and
 * samples as in production; what it sends is copied, as a transport does.
 */
import { systemClock } from "../src/base/clock.ts";
import { Prng } from "../src/base/prng.ts";
import { randomUuid } from "../src/base/uuid.ts";
import { BUILTIN_PLUGINS } from "../src/builtins.ts";
import { PARSER_TYPES_DEFAULT, SHARD_SLABS_MAX } from "../src/config/defaults.ts";
import { DecisionQueue } from "../src/director/decision-queue.ts";
import { Director } from "../src/director/director.ts";
import { KnownFleet } from "../src/director/known-fleet.ts";
import { ObjectiveTable } from "../src/director/objectives.ts";
import { outcomeOf } from "../src/director/outcome.ts";
import { parsersOfPolicy } from "../src/director/policy-parsers.ts";
import { PolicySet } from "../src/director/policy-set.ts";
import { Conversation } from "../src/extproc/conversation.ts";
import { RequestHeaderReader } from "../src/extproc/request-headers.ts";
import { SlabPool } from "../src/extproc/slab-pool.ts";
import type { ExtProcStream, Message } from "../src/extproc/transport/transport.ts";
import { PluginRegistry } from "../src/framework/registry.ts";
import { compilePolicy, PROGRAM_ONLY } from "../src/scheduling/policy.ts";
import { ProxyWatch } from "../src/shards/proxy-watch.ts";
import { OutcomeSampler } from "../src/telemetry/outcome-sampler.ts";
import { RequestSeries } from "../src/telemetry/series/request-series.ts";
import { allocateShardSeries, ShardSeries } from "../src/telemetry/series/shard-series.ts";
import { layout } from "../src/wasm/layout.ts";
import { DEFAULT_CONFIG } from "../test/support/default-config.ts";
import { endpoint, type TestFleet, testFleet } from "../test/support/fleet.ts";

export interface InProcessShard {
  readonly fleet: TestFleet;
  /** Bytes sent so far. */
  readonly sentSize: number;
  /** Messages sent so far. */
  readonly sentCount: number;
  /** Requests that are over. */
  readonly finishedCount: number;
  /** The next stream: feed it messages, `turn`, and close it. */
  open(): Conversation;
  /** Ends the event-loop turn: decides what was completed in it. */
  turn(): void;
}

/** Takes what a stream sends as a transport does: one copy. */
export class Outbox implements ExtProcStream {
  readonly #buffer = Buffer.alloc(1 << 20);
  #at = 0;
  size = 0;
  count = 0;

  send(message: Message): void {
    this.count++;
    if (message instanceof Uint8Array) this.#take(message);
    else for (const piece of message) this.#take(piece);
  }

  requestReady(): void {
    throw new Error("bodies of this bench leave at once");
  }

  end(): void {}

  fail(message: string): void {
    throw new Error(`the stream failed: ${message}`);
  }

  #take(bytes: Uint8Array): void {
    if (this.#at + bytes.length > this.#buffer.length) this.#at = 0;
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
    this.size += bytes.length;
  }
}

/** With loaded endpoints under the default policy. */
export function inProcessShard(options: {
  readonly endpointCount: number;
  readonly windowCount: number;
  readonly seed: number;
  readonly indexSlotsLog2: number;
}): InProcessShard {
  const prng = new Prng(options.seed);
  const loads = Array.from({ length: options.endpointCount }, () =>
    endpoint({ queueDepthRequests: prng.nextBelow(20), kvCacheUsageFraction: prng.nextBelow(256) / 256 }),
  );
  const compiled = compilePolicy(DEFAULT_CONFIG, new PluginRegistry(BUILTIN_PLUGINS), PROGRAM_ONLY);
  // Values of a bench do not grow old.
  const policy = { ...compiled.program, staleMs: 2 ** 31 };
  const fleet = testFleet("release", loads, [], {
    shape: { streamWindowCount: options.windowCount, indexSlotsLog2: options.indexSlotsLog2 },
    policy: { ...policy, profiles: compiled.program.profiles },
  });
  const [memory] = fleet.shards;
  if (memory === undefined) throw new Error("the bench needs a shard");
  let deferred: (() => void) | undefined;
  let finishedCount = 0;
  const outcomes = new OutcomeSampler(systemClock, { onOutcomes: () => undefined, onSuppressed: () => undefined });
  const outbox = new Outbox();
  const director = new Director({
    memory,
    decisions: new DecisionQueue({
      memory,
      clock: systemClock,
      withScores: false,
      withCandidates: false,
      defer: (task) => {
        deferred = task;
      },
    }),
    clock: systemClock,
    prng: prng.fork("decisions"),
    policies: new PolicySet(
      { number: memory.activePolicy, compiled, parsers: parsersOfPolicy(compiled, PARSER_TYPES_DEFAULT) },
      { hold: () => undefined, release: () => undefined },
    ),
    fleet: new KnownFleet(),
    objectives: new ObjectiveTable(),
    limits: { requestBodySizeMax: 2 ** 26, modelSizeMax: layout.MODEL_SIZE_MAX },
    onUnknownName: () => undefined,
    onFinished(record) {
      finishedCount++;
      memory.count(layout.SHARD_COUNTER_FINISHED);
      outcomes.add({ cause: record.cause, status: record.response?.status }, () => outcomeOf(record));
    },
    metrics: new RequestSeries(new ShardSeries(allocateShardSeries()), systemClock),
  });
  const requestIds = prng.fork("request ids");
  const context = {
    director,
    headers: new RequestHeaderReader(),
    newRequestId: () => randomUuid(requestIds),
    honoursSubsetHint: false,
    onRefusal: (error: Error) => {
      throw error;
    },
    onProtocolError: (message: string) => {
      throw new Error(message);
    },
    slabs: new SlabPool({ slabsMax: SHARD_SLABS_MAX, onExhausted: () => undefined }),
    onRewriteSkipped: () => undefined,
    proxyReports: new ProxyWatch(systemClock, () => undefined),
    onServedElsewhere: () => undefined,
    onStreamOpened: () => memory.count(layout.SHARD_COUNTER_STREAMS_OPENED),
    onStreamClosed: () => memory.count(layout.SHARD_COUNTER_STREAMS_CLOSED),
  };
  return {
    fleet,
    get sentSize() {
      return outbox.size;
    },
    get sentCount() {
      return outbox.count;
    },
    get finishedCount() {
      return finishedCount;
    },
    open: () => new Conversation(outbox, context),
    turn() {
      while (deferred !== undefined) {
        const task = deferred;
        deferred = undefined;
        task();
      }
    },
  };
}
