/**
 * One simulated model server as a library: starts, fails and comes back at a test's word.
 *
 *   startSimulator ─► listening ── kill ──► dead ── revive ──► listening, same port, empty cache
 *                         └─────── close ─────┴──► closed
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { assert } from "../base/assert.ts";
import { KEEP_ALIVE_MS } from "./defaults.ts";
import type { Fault } from "./faults.ts";
import { ModelServer } from "./model-server.ts";
import { type MetricOverrides, resolveOptions, type SimulatorOptions, type SimulatorSettings } from "./options.ts";

export interface Simulator {
  readonly name: string;
  readonly address: SimulatorAddress;
  readonly options: SimulatorSettings;
  state(): SimulatorState;
  /** Replaces the fault; `fraction` is the share of generation requests that meet it, 1 unless given. */
  setFault(fault: Fault, fraction?: number): void;
  /** Replaces all overrides. */
  setMetricOverrides(overrides: MetricOverrides): void;
  /** Dies like a process: stops listening and destroys all connections at once. What was running is lost. */
  kill(): void;
  /**
   * Listens on the same port again, with an empty cache and counters at 0, as after a restart. Options are as at first.
   */
  revive(): Promise<void>;
  /** Dies for good. Resolves when the port is free. */
  close(): Promise<void>;
}

export interface SimulatorAddress {
  readonly host: string;
  readonly port: number;
}

export interface SimulatorState {
  readonly isListening: boolean;
  readonly runningRequests: number;
  readonly waitingRequests: number;
  /** Requests that ended since the start, by how: `stop` and `length` have answers. */
  readonly finishedRequests: { readonly stop: number; readonly length: number; readonly abort: number };
  /** Prompt tokens of all started requests, and those of them that needed no prefill. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly generationTokens: number;
  readonly kvCacheUsageFraction: number;
  /** KV cache blocks that a request can find. */
  readonly kvCacheFindableBlocks: number;
}

/** Resolves when the server listens. Rejects when options contradict each other or the address cannot be had. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const simulator = new HttpSimulator(resolveOptions(options));
  await simulator.listen();
  return simulator;
}

class HttpSimulator implements Simulator {
  readonly options: SimulatorSettings;
  #address: SimulatorAddress;
  #modelServer: ModelServer;
  #httpServer: Server | undefined;

  constructor(settings: SimulatorSettings) {
    this.options = settings;
    this.#address = { host: settings.host, port: settings.port };
    this.#modelServer = new ModelServer(settings);
  }

  get name(): string {
    return this.options.name;
  }

  get address(): SimulatorAddress {
    return this.#address;
  }

  async listen(): Promise<void> {
    assert(this.#httpServer === undefined, "the simulator listens already");
    const { host, port } = this.#address;
    const modelServer = this.#modelServer;
    const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
      void modelServer.handle(request, response);
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error) => reject(new Error(describeListenError(error, host, port), { cause: error })));
      server.listen(port, host, resolve);
    });
    this.#httpServer = server;
    this.#address = { host, port: (server.address() as AddressInfo).port };
  }

  state(): SimulatorState {
    const { engine } = this.#modelServer;
    const { statistics } = engine;
    return {
      isListening: this.#httpServer !== undefined,
      runningRequests: engine.runningRequests,
      waitingRequests: engine.waitingRequests,
      finishedRequests: { ...statistics.finishedRequests },
      promptTokens: statistics.prefixQueryTokens,
      cachedTokens: statistics.prefixHitTokens,
      generationTokens: statistics.generationTokens,
      kvCacheUsageFraction: engine.cache.usageFraction,
      kvCacheFindableBlocks: engine.cache.findableBlocks,
    };
  }

  setFault(fault: Fault, fraction = 1): void {
    this.#modelServer.fault = fault;
    this.#modelServer.faultFraction = fraction;
  }

  setMetricOverrides(overrides: MetricOverrides): void {
    this.#modelServer.metricOverrides = overrides;
  }

  kill(): void {
    void this.close();
  }

  async revive(): Promise<void> {
    this.#modelServer = new ModelServer(this.options);
    await this.listen();
  }

  async close(): Promise<void> {
    const server = this.#httpServer;
    if (server === undefined) return;
    this.#httpServer = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    this.#modelServer.engine.abortAll();
    await closed;
  }
}

function describeListenError(error: NodeJS.ErrnoException, host: string, port: number): string {
  if (error.code === "EADDRINUSE") return `port ${port} of ${host} is taken`;
  return `cannot listen on ${host}:${port}: ${error.message}`;
}
