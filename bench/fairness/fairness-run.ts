/**
 * Whether one stream's work holds up another's: probes ask for picks every few milliseconds from a thread and a
 * connection of their own, while other connections bring a very large body, or very many streams at once. Of each
 * disturbance the longest pick of the probes counts, and the longest turn of the server's event loop, seen from inside.
 */

import type { Clock } from "../../src/base/clock.ts";
import { messageOf } from "../../src/base/errors.ts";
import { Prng } from "../../src/base/prng.ts";
import { type ExchangeScript, makeScripts, scriptOptions } from "../load/exchange-script.ts";
import { ExchangeSet } from "../load/exchange-set.ts";
import type { GeneratorOptions } from "../load/generator.ts";
import { GeneratorThread } from "../load/generator-thread.ts";
import { type InsideLine, readInsideWatch } from "../load/inside-watch.ts";
import { type Span, spanOf } from "../load/matrix.ts";
import type { ServerUnderTest } from "../load/servers.ts";
import { sleep } from "../load/sleep.ts";

export interface Disturbance {
  readonly name: string;
  /** 0 for none. */
  readonly streamCount: number;
  readonly bodySize: number;
}

export interface FairnessOptions {
  readonly clock: Clock;
  readonly server: ServerUnderTest;
  /** Where the server's threads write what they see of themselves, and which of them serves. */
  readonly insideFolder: string;
  readonly servingRole: InsideLine["role"];
  readonly disturbances: readonly Disturbance[];
  /** How often each disturbance comes; the first times, which warm the server up, do not count. */
  readonly repeatCount: number;
  readonly probesPerSecond: number;
  /** Bytes of a probe's body. */
  readonly probeSize: number;
  /** A disturbance that the server does not take to its end counts all the same, as what it is. */
  readonly mayRefuse: boolean;
  readonly seed: number;
}

/** Over the repetitions of one disturbance. */
export interface FairnessResult {
  readonly name: string;
  readonly longestPickMs: Span;
  readonly longestTurnMs: Span;
  /** Most CPU time that the serving thread spent in one turn. */
  readonly longestWorkMs: Span;
  readonly probeCount: number;
  /** Why disturbances did not come to their end. */
  readonly refusals: readonly string[];
}

const WARM_UP_COUNT = 2;
/** Before and behind a disturbance, so that its whole effect is seen: more than the period of the inside watch. */
const MARGIN_MS = 150;

/** Rejects when an exchange of a disturbance fails that the server must not refuse. */
export async function measureFairness(options: FairnessOptions): Promise<FairnessResult[]> {
  const probes = new GeneratorThread(probeOptions(options));
  await probes.start();
  try {
    const results: FairnessResult[] = [];
    for (const disturbance of options.disturbances) results.push(await measureOne(options, disturbance, probes));
    return results;
  } finally {
    await probes.stop();
  }
}

function probeOptions({ server, probesPerSecond, probeSize, seed }: FairnessOptions): GeneratorOptions {
  return {
    target: { host: "127.0.0.1", port: server.port, isTls: server.isTls },
    authority: "localhost",
    connectionCount: 1,
    pace: { kind: "open", ratePerSecond: probesPerSecond },
    script: scriptOptions({ bodySize: probeSize }),
    timeoutMs: 10_000,
    seed,
    serialStart: 0,
    ...{ ending: "reset", chunksInFlight: 1, isAtOnce: false, mayEndAfterPick: false },
  };
}

type Longest = Pick<InsideLine, "turnMsMax" | "workMsMax">;

/** Repetitions of different disturbances share no prompt. */
let serial: number = 2 ** 32;

async function measureOne(
  { clock, server, insideFolder, servingRole, repeatCount, seed, mayRefuse }: FairnessOptions,
  { name, streamCount, bodySize }: Disturbance,
  probes: GeneratorThread,
): Promise<FairnessResult> {
  const target = { host: "127.0.0.1", port: server.port, isTls: server.isTls };
  const scripts = makeScripts(scriptOptions({ bodySize, prefixGroupCount: 4 }), new Prng(seed).fork(name));
  const picks: number[] = [];
  const inside: Longest[] = [];
  const refusals: string[] = [];
  let probeCount = 0;
  for (let turn = 0; turn < WARM_UP_COUNT + repeatCount; turn++) {
    const others = new ExchangeSet({ clock, target, connectionCount: 1 });
    await others.connect();
    await sleep(clock, MARGIN_MS);
    const startWallMs = clock.wallMs();
    await probes.startMeasuring();
    try {
      for (let index = 0; index < streamCount; index++) {
        await others.begin(scripts[index % scripts.length] as ExchangeScript, serial++, false);
      }
      await others.untilOver();
    } catch (error) {
      if (!mayRefuse) throw error;
      refusals.push(messageOf(error));
    }
    await sleep(clock, MARGIN_MS);
    const measured = await probes.stopMeasuring();
    others.close();
    if (turn < WARM_UP_COUNT) continue;
    probeCount += measured.completedCount;
    picks.push(measured.pick.maxMs);
    const seen = readInsideWatch(insideFolder);
    inside.push(longestOf(seen.filter(({ role, wallMs }) => role === servingRole && wallMs >= startWallMs)));
  }
  return {
    name,
    longestPickMs: spanOf(picks),
    longestTurnMs: spanOf(inside.map(({ turnMsMax }) => turnMsMax)),
    longestWorkMs: spanOf(inside.map(({ workMsMax }) => workMsMax)),
    probeCount,
    refusals,
  };
}

function longestOf(lines: readonly InsideLine[]): Longest {
  return {
    turnMsMax: Math.max(...lines.map(({ turnMsMax }) => turnMsMax)),
    workMsMax: Math.max(...lines.map(({ workMsMax }) => workMsMax)),
  };
}
