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

interface Tally {
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
      const { port } = listeners[index]?.address() as AddressInfo;
      return { name: engine.name, port, tally: engine.tally, serve: (request) => engine.serve(request) };
    });
    return new ModelFleet(servers, listeners);
  }

  async close(): Promise<void> {
    for (const listener of this.#listeners) listener.closeAllConnections();
    await Promise.all(this.#listeners.map((listener) => new Promise((resolve) => listener.close(resolve))));
  }
}

class ModelEngine {
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

  async serve(request: PlannedRequest): Promise<void> {
    const { tally } = this;
    tally.requests++;
    tally.inFlight++;
    tally.inFlightPeak = Math.max(tally.inFlightPeak, tally.inFlight);
    const missingSize = this.#take(request);
    if (this.#runningCount === PLACES) {
      tally.waited++;
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    } else {
      this.#runningCount++;
    }
    const prefillMs = (missingSize / TOKEN_SIZE) * PREFILL_TOKEN_MS;
    await new Promise<void>((resolve) => this.#clock.setTimeout(resolve, OVERHEAD_MS + prefillMs + request.decodeMs));
    const next = this.#queue.shift();
    if (next === undefined) this.#runningCount--;
    else next();
    tally.inFlight--;
  }

  /** As vLLM shows it. */
  exposition(): string {
    const values: Readonly<Record<string, number>> = {
      num_requests_running: this.#runningCount,
      num_requests_waiting: this.#queue.length,
      kv_cache_usage_perc: this.#runningCount / PLACES,
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
