/**
 * The same in simulated time: the kernel's shards and its index writer as they are, without threads and sockets. Runs
 * repeat exactly, so what differs comes from the number of shards alone, and not from a machine that is busy.
 *
 *   request ─► shard's turn: a batch ─► model server … ─► release        every millisecond: index writer
 *                                                                        every 50 ms: each server's load
 */
import { ManualClock } from "../../src/base/clock.ts";
import { Prng } from "../../src/base/prng.ts";
import { SCRAPE_INTERVAL_MS } from "../../src/config/defaults.ts";
import type { LoadedConfig } from "../../src/config/load.ts";
import { BATCH_SIZE_MAX } from "../../src/director/decision-queue.ts";
import { compilePolicy } from "../../src/scheduling/policy.ts";
import { SharedCounters } from "../../src/wasm/counters.ts";
import { EndpointColumns } from "../../src/wasm/endpoint-columns.ts";
import { IndexWriter } from "../../src/wasm/index-writer.ts";
import { instantiateKernel } from "../../src/wasm/kernel.ts";
import { layout } from "../../src/wasm/layout.ts";
import { PolicyTable } from "../../src/wasm/policies.ts";
import { createSharedMemory } from "../../src/wasm/regions.ts";
import { ShardMemory } from "../../src/wasm/shard-memory.ts";
import { ModelEngine } from "./model-fleet.ts";
import { type Quality, qualityOf } from "./quality.ts";
import { bodyOf, type PlannedRequest } from "./workload.ts";

export interface SimulationOptions {
  readonly config: LoadedConfig;
  readonly shardCount: number;
  readonly endpointCount: number;
  /** Requests come over them in turn; each belongs to a shard. */
  readonly connectionCount: number;
  readonly requests: readonly PlannedRequest[];
  readonly seed: number;
  /** How often the index writer looks: what a shard picked is unknown to the others for so long. */
  readonly indexPeriodMs: number;
}

/** Requests that come within one turn of a shard's event loop are decided together. */
const TURN_MS_MAX = 0.5;
/** Far longer than any request takes. */
const END_MS = 60_000;
/** Enough for all blocks of a run: what is forgotten is not in question here. */
const LANES = { blocksPerEndpoint: 2 ** 16, blocksTotal: 2 ** 21 };
const MODEL = "simulated-8b";

export function simulateQuality(options: SimulationOptions): Quality {
  const { shardCount, connectionCount, requests, seed, indexPeriodMs } = options;
  const clock = new ManualClock();
  const memory = createSharedMemory({ shardCount, streamWindowCount: 64, indexSlotsLog2: 18 });
  const kernel = instantiateKernel(memory);
  const counters = new SharedCounters(memory, kernel);
  const policy = publishPolicy(memory, options.config);
  const engines = startEngines(memory, options, clock, (slot) => kernel.inFlightRequests(slot));
  const writer = new IndexWriter({ memory, lanes: LANES });
  const drains = clock.setInterval(() => writer.drain(), indexPeriodMs);
  const prng = new Prng(seed);
  const shards = Array.from({ length: shardCount }, (_, shard) => {
    const shardMemory = new ShardMemory(memory, kernel, shard);
    return new SimulatedShard({ memory: shardMemory, policy, clock, engines, prng: prng.fork(`shard ${shard}`) });
  });
  for (const [index, request] of requests.entries()) {
    const shard = shards[(index % connectionCount) % shardCount];
    clock.setTimeout(() => shard?.push(request), request.atMs);
  }
  clock.advance((requests.at(-1)?.atMs ?? 0) + END_MS);
  drains.cancel();
  return qualityOf(
    engines.map(({ tally }) => tally),
    counters,
  );
}

function publishPolicy(memory: WebAssembly.Memory, { config, registry }: LoadedConfig): number {
  const number = new PolicyTable(memory).publish(compilePolicy(config, registry).program);
  if (number === undefined) throw new Error("a new memory has no room for a policy");
  return number;
}

/** Model servers in slots 0, 1, …, which are scraped one after the other. */
function startEngines(
  memory: WebAssembly.Memory,
  { endpointCount }: SimulationOptions,
  clock: ManualClock,
  inFlightRequests: (slot: number) => number,
): ModelEngine[] {
  const columns = new EndpointColumns(memory);
  return Array.from({ length: endpointCount }, (_, slot) => {
    const engine = new ModelEngine(`server-${slot}`, clock);
    columns.add(slot, `10.0.${slot >> 8}.${slot & 255}:8000`);
    const scrape = (): void => {
      const { running, waiting, kvCacheUsageFraction } = engine.load;
      columns.setScraped(slot, {
        queueDepthRequests: waiting,
        runningRequests: running,
        kvCacheUsageFraction,
        inFlightAtScrape: inFlightRequests(slot),
        scrapedAtMs: clock.nowMs(),
      });
    };
    scrape();
    clock.setTimeout(
      () => void clock.setInterval(scrape, SCRAPE_INTERVAL_MS),
      (slot * SCRAPE_INTERVAL_MS) / endpointCount,
    );
    return engine;
  });
}

interface ShardOptions {
  readonly memory: ShardMemory;
  readonly policy: number;
  readonly clock: ManualClock;
  readonly engines: readonly ModelEngine[];
  readonly prng: Prng;
}

class SimulatedShard {
  readonly #options: ShardOptions;
  #waiting: PlannedRequest[] = [];

  constructor(options: ShardOptions) {
    this.#options = options;
  }

  push(request: PlannedRequest): void {
    const { clock, prng } = this.#options;
    this.#waiting.push(request);
    if (this.#waiting.length === 1) clock.setTimeout(() => this.#turn(), prng.nextFraction() * TURN_MS_MAX);
  }

  #turn(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let first = 0; first < waiting.length; first += BATCH_SIZE_MAX) {
      this.#decide(waiting.slice(first, first + BATCH_SIZE_MAX));
    }
  }

  #decide(requests: readonly PlannedRequest[]): void {
    const { memory, policy, clock, engines, prng } = this.#options;
    const asked = requests.map((request) => {
      const window = memory.acquireWindow(layout.API_OPENAI_CHAT, policy);
      if (window === undefined) throw new Error("a shard has no window left");
      const fault = memory.feed(window, bodyOf(request, MODEL), true);
      if (fault !== undefined) throw new Error(`a body is refused: ${JSON.stringify(fault)}`);
      return { window, policy, seedLow: prng.nextU32(), seedHigh: prng.nextU32() };
    });
    const decided = memory.decide(asked, clock.nowMs(), { withScores: false });
    for (const [index, request] of requests.entries()) {
      memory.releaseWindow(asked[index]?.window ?? 0);
      const pick = decided[index];
      if (pick?.kind !== "picked") throw new Error("a request has found no endpoint");
      engines[pick.slot]?.serve(request, () => memory.release(pick));
    }
  }
}
