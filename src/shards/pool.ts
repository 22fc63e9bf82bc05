/**
 * The control side of the shards: starts them as long piscina tasks, replaces one that dies, ends them. A dead shard's
 * charges return to zero before its successor starts; the others do not notice.
 *
 *   starting ─listening─► serving ─dies─► (charges returned, pause) ─► starting …
 *                            └─drain/close─► ended
 */
import { createRequire } from "node:module";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { Piscina } from "piscina";
import type { Clock } from "../base/clock.ts";
import { ConfigError } from "../base/errors.ts";
import type { Prng } from "../base/prng.ts";
import type { FleetSnapshot } from "../director/known-fleet.ts";
import type { Objective } from "../framework/objective.ts";
import { type QueriedThread, RemoteThread } from "../platform/thread-queries.ts";
import type { KeyPair } from "../platform/tls.ts";
import type { DegradationReporter } from "../telemetry/health-details.ts";
import type { TracingSettings } from "../telemetry/tracing/settings.ts";
import type { Kernel } from "../wasm/kernel.ts";
import type { FromShard, PolicyOrder, ServingSettings, ShardResult, ShardTask, ToShard } from "./messages.ts";
import { type Supervised, supervise } from "./supervise.ts";

/**
 * Of a shard's heap, of which nearly nothing outlives its exchange. Against V8's default a body of 256 KiB took 394 µs
 * of CPU instead of 501 (Node 24: 433 instead of 532), a small one as much or 5 % more, and resident memory was 10 to
 * 60 MB less (2026-11, 2 vCPU).
 */
const YOUNG_GENERATION_MB = 3;

/** Time beyond the grace until a shard that does not end by itself is ended: one that is stuck never would. */
const END_MS_MAX = 3_000;

export interface ShardPoolOptions {
  readonly memory: WebAssembly.Memory;
  /** The series table of a shard. */
  readonly seriesOf: (shard: number) => SharedArrayBuffer;
  /** The control thread's instance; returns a dead shard's charges. */
  readonly kernel: Kernel;
  readonly shardCount: number;
  readonly host: string;
  readonly serving: ServingSettings;
  /** 0 takes a free one, the same for all shards. */
  readonly port: number;
  readonly prng: Prng;
  readonly clock: Clock;
  readonly requestBodySizeMax: number;
  readonly honoursSubsetHint: boolean;
  readonly emitEndpointScores: boolean;
  readonly reportDecisions: boolean;
  readonly reportOutcomes: boolean;
  readonly countsStreams: boolean;
  readonly tracing: TracingSettings | undefined;
  /** What a shard that starts now begins with. */
  readonly beginning: (shard: number) => ShardBeginning;
  readonly onMessage: (shard: number, message: FromShard) => void;
  readonly onDeath: (shard: number, reason: string, cause: unknown) => void;
}

/** Whether several threads of this Node can listen on one port: `reusePort` came with 22.12. */
export function supportsReusePort(version: string = process.versions.node): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 12);
}

/** How many of the shards that are asked for can listen. Reports when it is fewer. */
export function listeningShards(
  asked: number,
  degraded: DegradationReporter,
  isShared: boolean = supportsReusePort(),
): number {
  if (asked === 1 || isShared) return asked;
  degraded.raise("fewer-shards", `1 shard instead of ${asked} on Node ${process.version}`);
  return 1;
}

/** What the control thread knows when a shard starts; later changes are told (`tell`). */
export interface ShardBeginning {
  readonly policy: PolicyOrder;
  readonly fleet: FleetSnapshot;
  readonly objectives: readonly Objective[];
}

interface RunningShard {
  readonly control: MessagePort;
  readonly queries: RemoteThread;
  /** Known once it listens. */
  thread: number | undefined;
}

export class ShardPool {
  readonly #options: ShardPoolOptions;
  readonly #workers: Piscina;
  readonly #running = new Map<number, RunningShard>();
  readonly #supervised: Supervised[] = [];
  #port: number;
  #serving: ServingSettings;
  #isReady = false;
  #streamsCut = 0;

  constructor(options: ShardPoolOptions) {
    this.#options = options;
    this.#port = options.port;
    this.#serving = options.serving;
    this.#workers = new Piscina({
      filename: createRequire(import.meta.url).resolve("#shard"),
      minThreads: options.shardCount,
      maxThreads: options.shardCount,
      // A worker that waits for tasks by blocking could not serve its sockets.
      atomics: "disabled",
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
  }

  get port(): number {
    return this.#port;
  }

  /** Resolves when all shards listen. Throws a ConfigError when the port cannot be had; `end` the pool then, too. */
  async start(): Promise<void> {
    // The first one learns which port a 0 becomes.
    await this.#start(0);
    await Promise.all(Array.from({ length: this.#options.shardCount - 1 }, (_, index) => this.#start(index + 1)));
  }

  /** Whether a shard listens now: not while it is started again after a death. */
  isListening(shard: number): boolean {
    return this.#running.get(shard)?.thread !== undefined;
  }

  /** Tells every shard that runs; returns their numbers. One that starts later begins with what is known then. */
  tell(message: ToShard): number[] {
    for (const { control } of this.#running.values()) control.postMessage(message);
    return [...this.#running.keys()];
  }

  /** Tells one shard, if it runs. */
  tellOne(shard: number, message: ToShard): void {
    this.#running.get(shard)?.control.postMessage(message);
  }

  /** The shards that run now, to be asked by operators. */
  get queried(): readonly QueriedThread[] {
    const byNumber = [...this.#running].sort(([one], [other]) => one - other);
    return byNumber.map(([, { queries }]) => queries);
  }

  /** Ends the thread of a shard that listens as a crash would; resolves when it is gone. For fault tests. */
  async kill(shard: number): Promise<void> {
    const thread = this.#running.get(shard)?.thread;
    await this.#workers.threads.find(({ threadId }) => threadId === thread)?.terminate();
  }

  /** What health says on the port of ext_proc, where it is served there. */
  setReady(isReady: boolean): void {
    this.#isReady = isReady;
    this.tell({ kind: "health", isReady });
  }

  /** New connections see this certificate. */
  replaceCertificate(keyPair: KeyPair): void {
    const { tls } = this.#serving;
    if (tls === undefined) return;
    this.#serving = { ...this.#serving, tls: { ...tls, keyPair } };
    this.tell({ kind: "certificate", keyPair });
  }

  /** Ends all shards: open streams are served for up to `graceMs`. Resolves with what became of them. */
  async end(graceMs: number): Promise<ShardResult> {
    const ended = this.#supervised.map((shard) => shard.end());
    this.tell(graceMs > 0 ? { kind: "drain", graceMs } : { kind: "close" });
    const timer = this.#options.clock.setTimeout(() => this.#terminate(), graceMs + END_MS_MAX);
    await Promise.all(ended);
    timer.cancel();
    await this.#workers.destroy();
    return { streamsCut: this.#streamsCut };
  }

  /** Ends the threads that have not ended by themselves, and what they serve. */
  #terminate(): void {
    this.#streamsCut += this.#running.size;
    for (const thread of this.#workers.threads) void thread.terminate();
  }

  /** Starts and supervises one shard; resolves when it listens for the first time. */
  #start(shard: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: FromShard): void => {
        if (message.kind === "listening") {
          this.#port = message.port;
          const running = this.#running.get(shard);
          if (running !== undefined) running.thread = message.thread;
          resolve();
        } else if (message.kind === "listenFailed") {
          reject(listenError(this.#options.host, this.#port, message));
        } else if (message.kind === "policyFailed") {
          // Only before it listens: afterwards it goes on with the policy that it has.
          reject(new ConfigError(message.message));
        }
        this.#options.onMessage(shard, message);
      };
      const supervised = supervise({
        clock: this.#options.clock,
        run: () => this.#run(shard, onMessage),
        onDeath: (reason, cause) => {
          this.#options.kernel.resetShard(shard);
          this.#options.onDeath(shard, reason, cause);
        },
      });
      this.#supervised.push(supervised);
    });
  }

  /** One life of a shard. */
  async #run(shard: number, onMessage: (message: FromShard) => void): Promise<void> {
    const {
      memory,
      seriesOf,
      countsStreams,
      tracing,
      host,
      shardCount,
      prng,
      requestBodySizeMax,
      honoursSubsetHint,
      emitEndpointScores,
      reportDecisions,
      reportOutcomes,
    } = this.#options;
    const { port1: control, port2 } = new MessageChannel();
    const { port1: asking, port2: asked } = new MessageChannel();
    const queries = new RemoteThread(`shard-${shard}`, asking);
    const task: ShardTask = {
      memory,
      series: seriesOf(shard),
      countsStreams,
      tracing,
      shard,
      control: port2,
      queries: asked,
      serving: this.#serving,
      isReady: this.#isReady,
      listen: { host, port: this.#port, reusePort: shardCount > 1 },
      ...this.#options.beginning(shard),
      seed: prng.nextU32(),
      requestBodySizeMax,
      honoursSubsetHint,
      emitEndpointScores,
      reportDecisions,
      reportOutcomes,
    };
    control.on("message", onMessage);
    this.#running.set(shard, { control, queries, thread: undefined });
    try {
      const result = (await this.#workers.run(task, { transferList: [port2, asked] })) as ShardResult;
      this.#streamsCut += result.streamsCut;
    } finally {
      this.#running.delete(shard);
      control.close();
      queries.close();
    }
  }
}

function listenError(host: string, port: number, { code, message }: { code: string; message: string }): ConfigError {
  if (code === "EADDRINUSE") {
    return new ConfigError(`port ${port} on ${host} is taken by another program; choose another one with --grpc-port`);
  }
  return new ConfigError(`cannot listen on ${host}:${port}: ${message}; see --grpc-port`);
}
