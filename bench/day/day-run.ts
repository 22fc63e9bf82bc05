/**
 * A day of traffic as fast as the picker takes it. Meanwhile endpoints come and go under new names, connections are
 * renewed and now and then lost, and the picker is sampled at equal numbers of exchanges. At the end nothing may be in
 * flight any more.
 */

import type { Clock, Timer } from "../../src/base/clock.ts";
import { Prng } from "../../src/base/prng.ts";
import { scriptOptions } from "../load/exchange-script.ts";
import { Generator, type GeneratorResult } from "../load/generator.ts";
import type { PickerUnderTest } from "../load/servers.ts";
import { sleep } from "../load/sleep.ts";
import { makeDayScripts } from "./day-scripts.ts";
import { metricsPage, type PickerSample, samplePicker } from "./picker-samples.ts";

export interface DayOptions {
  readonly clock: Clock;
  readonly picker: PickerUnderTest;
  readonly insideFolder: string;
  readonly exchangeCount: number;
  readonly sampleCount: number;
  readonly concurrency: number;
  readonly connectionCount: number;
  readonly variationCount: number;
  readonly seed: number;
  readonly onProgress: (text: string) => void;
}

export interface DayResult {
  readonly samples: readonly PickerSample[];
  readonly load: GeneratorResult;
  readonly fleetChangeCount: number;
  readonly connectionChangeCount: number;
  /** After the end of the last exchange. */
  readonly left: { readonly streams: number; readonly requests: number };
}

const POLL_MS = 50;
const FLEET_CHANGE_MS = 2_000;
/** Part of the model servers that is not in the fleet at a time. */
const ABSENT_FRACTION = 0.05;
const CONNECTION_CHANGE_MS = 700;
/** Every so many connections that are replaced one is lost. */
const LOSS_PERIOD = 10;
/** How long streams may take to be gone for the picker when the last exchange is over. */
const LEFT_MS_MAX = 10_000;

export async function runDay(options: DayOptions): Promise<DayResult> {
  const { clock, picker, exchangeCount, seed, variationCount, connectionCount, concurrency } = options;
  const scripts = makeDayScripts(variationCount, new Prng(seed).fork("day"));
  const generator = new Generator(
    {
      target: { host: "127.0.0.1", port: picker.port, isTls: picker.isTls },
      ...{ authority: "localhost", connectionCount, seed, serialStart: 0, timeoutMs: 30_000 },
      ...{ ending: "reset", chunksInFlight: 1, isAtOnce: false, mayEndAfterPick: false },
      pace: { kind: "closed", concurrency },
      script: scriptOptions({}),
    },
    clock,
    scripts,
  );
  const fleet = new ChangingFleet(picker, new Prng(seed).fork("fleet"));
  let connectionChangeCount = 0;
  const timers: Timer[] = [
    clock.setInterval(() => fleet.change(), FLEET_CHANGE_MS),
    clock.setInterval(() => {
      generator.replaceConnection(connectionChangeCount, connectionChangeCount % LOSS_PERIOD === LOSS_PERIOD - 1);
      connectionChangeCount++;
    }, CONNECTION_CHANGE_MS),
  ];
  let load: GeneratorResult;
  const samples: PickerSample[] = [];
  try {
    await generator.start();
    await generator.startMeasuring();
    for (let sample = 1; sample <= options.sampleCount; sample++) {
      const sinceWallMs = clock.wallMs();
      const dueCount = Math.round((exchangeCount * sample) / options.sampleCount);
      while ((await generator.endedCount()) < dueCount) await sleep(clock, POLL_MS);
      samples.push(await samplePicker({ ...picker, insideFolder: options.insideFolder }, sinceWallMs, clock));
      options.onProgress(`${dueCount} exchanges: ${samples.at(-1)?.["resident memory (MB)"]} MB`);
    }
    load = await generator.stopMeasuring();
  } finally {
    for (const timer of timers) timer.cancel();
    await generator.stop();
  }
  const left = await whatIsLeft(picker.metricsPort, clock);
  return { samples, load, fleetChangeCount: fleet.changeCount, connectionChangeCount, left };
}

/** Some model servers are absent at any time. One leaves when one comes back, which is then a new endpoint. */
class ChangingFleet {
  readonly #picker: PickerUnderTest;
  readonly #prng: Prng;
  readonly #generations: number[];
  /** The one that has been absent for longest is the first. */
  readonly #absent: number[] = [];
  changeCount = 0;

  constructor(picker: PickerUnderTest, prng: Prng) {
    this.#picker = picker;
    this.#prng = prng;
    this.#generations = picker.endpoints.map(() => 0);
  }

  change(): void {
    this.changeCount++;
    const { endpoints } = this.#picker;
    const leaving = this.#prng.nextBelow(endpoints.length);
    if (!this.#absent.includes(leaving)) this.#absent.push(leaving);
    if (this.#absent.length > endpoints.length * ABSENT_FRACTION) {
      const back = this.#absent.shift() as number;
      this.#generations[back] = (this.#generations[back] ?? 0) + 1;
    }
    const rows = endpoints.map((endpoint, index) => ({
      ...endpoint,
      name: `${endpoint.name}-${this.#generations[index]}`,
    }));
    this.#picker.replaceEndpoints(rows.filter((_, index) => !this.#absent.includes(index)));
  }
}

/** Waits until nothing is in flight, for a while. */
async function whatIsLeft(metricsPort: number, clock: Clock): Promise<DayResult["left"]> {
  const endMs = clock.nowMs() + LEFT_MS_MAX;
  while (true) {
    const page = await metricsPage(metricsPort);
    const left = {
      streams: page.sum("endpoint_picker_streams_inflight"),
      requests: page.sum("endpoint_picker_inflight_requests"),
    };
    if ((left.streams === 0 && left.requests === 0) || clock.nowMs() > endMs) return left;
    await sleep(clock, POLL_MS);
  }
}
