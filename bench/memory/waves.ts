/**
 * Waves of requests that are all in flight at once: of each the body is sent but for its last piece, and held; then the
 * last pieces go, the picks come, the responses pass. What the picker's process holds is read at each step.
 *
 *   before ── begin all ──► all sent, held ── release all ──► all over ── settle ──► after
 *                                     peak: the most in between
 */

import { writeFileSync } from "node:fs";
import type { Clock } from "../../src/base/clock.ts";
import { Prng } from "../../src/base/prng.ts";
import type { Target } from "../load/connection.ts";
import { type ExchangeScript, makeScripts, scriptOptions } from "../load/exchange-script.ts";
import { ExchangeSet } from "../load/exchange-set.ts";
import { readProcessUsage } from "../load/process-usage.ts";
import { sleep } from "../load/sleep.ts";

export interface WaveOptions {
  readonly clock: Clock;
  readonly target: Target;
  readonly pid: number;
  readonly streamCount: number;
  readonly bodySize: number;
  readonly waveCount: number;
  readonly connectionCount: number;
  /** Time that the process is left alone before it is looked at. */
  readonly settleMs: number;
  readonly seed: number;
}

/** Resident memory, in bytes. */
export interface WaveUse {
  readonly before: number;
  /** With all streams held. */
  readonly held: number;
  readonly peak: number;
  readonly after: number;
}

/** Rejects when an exchange fails. */
export async function runWaves(options: WaveOptions): Promise<WaveUse[]> {
  const uses: WaveUse[] = [];
  const scripts = makeScripts(scriptOptions({ bodySize: options.bodySize }), new Prng(options.seed));
  for (let wave = 0; wave < options.waveCount; wave++) uses.push(await runWave(options, scripts, wave));
  return uses;
}

async function runWave(options: WaveOptions, scripts: readonly ExchangeScript[], wave: number): Promise<WaveUse> {
  const { clock, pid, settleMs, streamCount } = options;
  const memory = (): number => readProcessUsage(pid).memoryBytes;
  await sleep(clock, settleMs);
  resetPeak(pid);
  const before = memory();
  const exchanges = new ExchangeSet(options);
  try {
    await exchanges.connect();
    for (let index = 0; index < streamCount; index++) {
      const script = scripts[index % scripts.length] as ExchangeScript;
      await exchanges.begin(script, wave * streamCount + index, true);
      // One turn for each: what is written leaves, and answers are read.
      await sleep(clock, 0);
    }
    await exchanges.untilSent();
    await sleep(clock, settleMs);
    const held = memory();
    exchanges.release();
    await exchanges.untilOver();
    const peak = readProcessUsage(pid).memoryBytesMax;
    await sleep(clock, settleMs);
    return { before, held, peak, after: memory() };
  } finally {
    exchanges.close();
  }
}

/** The kernel forgets the most that the process ever had (proc_pid_clear_refs(5)). */
function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}
