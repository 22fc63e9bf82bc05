/**
 * Model servers that only take time: each has places for some requests at once, a queue, and a cache that forgets
 * nothing. They tell the picker their load as vLLM does, and know better than the picker what they hold.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../src/base/clock.ts";
import { vllmExposition } from "../expositions.ts";
import type { PlannedRequest } from "./workload.ts";

const PLACES = 8;
/** Time per request, and per token of the prompt that is not held: 20,000 tokens per second. */
const OVERHEAD_MS = 20;
const PREFILL_TOKEN_MS = 0.05;
const TOKEN_SIZE = 4;

export interface ModelServer {
  readonly name: string;
  readonly port: number;
  /** What became of its requests so far. */
  readonly tally: Readonly<Tally>;
  /** Resolves when the request has been answered. */
  serve(request: PlannedRequest): Promise<void>;
}

export interface Tally {
  requests: number;
  inFlight: number;
  inFlightPeak: number;
  /** Requests that found no place free. */
  waited: number;
  /** Bytes of prompts, and of them those that were held. */
  promptSize: number;
  heldSize: number;
}

export class ModelFleet {
  readonly servers: readonly ModelServer[];
  readonly #listeners: readonly Server[];

  private constructor(servers: readonly ModelServer[], listeners: readonly Server[]) {
    this.servers = servers;
    this.#listeners = listeners;
  }

  static async start(count: number, clock: Clock): Promise<ModelFleet> {
    const engines = Array.from({ length: count }, (_, index) => new ModelEngine(`server-${index}`, clock));
    const listeners = await Promise.all(engines.map(listen));
    const servers = engines.map((engine, index): ModelServer => {
      const { port } = (listeners[index] as Server).address() as AddressInfo;
      return { name: engine.name, port, tally: engine.tally, serve: (request) => serve(engine, request) };
    });
    return new ModelFleet(servers, listeners);
  }

  async close(): Promise<void> {
    for (const listener of this.#listeners) listener.closeAllConnections();
    await Promise.all(this.#listeners.map((listener) => new Promise((resolve) => listener.close(resolve))));
  }
}

function serve(engine: ModelEngine, request: PlannedRequest): Promise<void> {
  return new Promise((resolve) => engine.serve(request, resolve));
}

export interface ModelLoad {
  readonly running: number;
  readonly waiting: number;
  readonly kvCacheUsageFraction: number;
}

/** One model server, without its socket. */
export class ModelEngine {
  readonly name: string;
  readonly tally: Tally = { requests: 0, inFlight: 0, inFlightPeak: 0, waited: 0, promptSize: 0, heldSize: 0 };
  readonly #clock: Clock;
  /** Ids of segments whose keys and values are there. */
  readonly #held = new Set<string>();
  readonly #queue: (() => void)[] = [];
  #runningCount = 0;

  constructor(name: string, clock: Clock) {
    this.name = name;
    this.#clock = clock;
  }

  /** `onServed` is called when the request has been answered. */
  serve(request: PlannedRequest, onServed: () => void): void {
    const { tally } = this;
    tally.requests++;
    tally.inFlight++;
    tally.inFlightPeak = Math.max(tally.inFlightPeak, tally.inFlight);
    const prefillMs = (this.#take(request) / TOKEN_SIZE) * PREFILL_TOKEN_MS;
    const run = (): void => {
      this.#clock.setTimeout(
        () => {
          tally.inFlight--;
          const next = this.#queue.shift();
          if (next === undefined) this.#runningCount--;
          else next();
          onServed();
        },
        OVERHEAD_MS + prefillMs + request.decodeMs,
      );
    };
    if (this.#runningCount < PLACES) {
      this.#runningCount++;
      run();
    } else {
      tally.waited++;
      this.#queue.push(run);
    }
  }

  /** What it would tell whoever scrapes it. */
  get load(): ModelLoad {
    const running = this.#runningCount;
    return { running, waiting: this.#queue.length, kvCacheUsageFraction: running / PLACES };
  }

  /** As vLLM shows it. */
  exposition(): string {
    const { running, waiting, kvCacheUsageFraction } = this.load;
    const values: Readonly<Record<string, number>> = {
      num_requests_running: running,
      num_requests_waiting: waiting,
      kv_cache_usage_perc: kvCacheUsageFraction,
    };
    return VLLM_EXPOSITION.replace(LOAD_LINE, (_line, head: string, name: string) => `${head}${values[name]}`);
  }

  /** Takes the prompt into the cache; returns how much of it was not there. */
  #take({ segments }: PlannedRequest): number {
    let missingSize = 0;
    for (const { id, text } of segments) {
      this.tally.promptSize += text.length;
      // What follows a piece that is missing has an id that names the missing one.
      if (this.#held.has(id)) this.tally.heldSize += text.length;
      else missingSize += text.length;
      this.#held.add(id);
    }
    return missingSize;
  }
}

const VLLM_EXPOSITION: string = vllmExposition(0).toString();
const LOAD_LINE = /^(vllm:(num_requests_running|num_requests_waiting|kv_cache_usage_perc)\{.*\} ).*$/gm;

async function listen(engine: ModelEngine): Promise<Server> {
  const server = createServer((_request, response) => response.end(engine.exposition()));
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
