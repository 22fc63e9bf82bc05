/**
 * Conversations as agents and people have them, planned from a seed: who asks what and when does not depend on answers,
 * so that every picker gets the same requests.
 *
 *   group: a common system prompt ─► session ─► turn 0 ─► turn 1 ─► …      each turn repeats what was said before
 *                                                 └─ now and then: several requests at once, with ends of their own
 */
import type { Prng } from "../../src/base/prng.ts";

export interface WorkloadOptions {
  readonly requestCount: number;
  readonly sessionsPerSecond: number;
  readonly groupCount: number;
  readonly prng: Prng;
}

/** A piece of prompts that is the same in all of them that have it. */
export interface Segment {
  /** Names the piece and all pieces before it. */
  readonly id: string;
  readonly text: string;
}

export interface PlannedRequest {
  readonly atMs: number;
  /** The prompt, from its beginning. */
  readonly segments: readonly Segment[];
  /** How long a model server takes to write the answer. */
  readonly decodeMs: number;
}

const SYSTEM_SIZE = 4_000;
/** A question and the answer to the one before. */
const TURN_SIZE = 1_200;
const TURNS_MEAN = 4;
const TURNS_MAX = 12;
const THINK_MS_MEAN = 800;
const DECODE_MS_MEAN = 200;
/** Part of the turns that are asked in several ways at once, as by an agent that tries them out. */
const FAN_OUT_FRACTION = 0.1;
const FAN_OUT_COUNT = 12;

/** So many requests, by time. */
export function planWorkload(options: WorkloadOptions): PlannedRequest[] {
  const { requestCount, sessionsPerSecond, groupCount, prng } = options;
  const groups = Array.from({ length: groupCount }, (_, group): Segment => {
    return { id: `g${group}`, text: makeText(SYSTEM_SIZE, prng.fork(`group ${group}`)) };
  });
  const requests: PlannedRequest[] = [];
  let [startMs, endMs] = [0, Number.POSITIVE_INFINITY];
  for (let session = 0; startMs < endMs; session++) {
    const chance = prng.fork(`session ${session}`);
    startMs += exponential(1_000 / sessionsPerSecond, chance);
    const group = groups[chance.nextBelow(groupCount)] as Segment;
    requests.push(...planSession(group, `${group.id}/s${session}`, startMs, chance));
    if (requests.length < requestCount || endMs < Number.POSITIVE_INFINITY) continue;
    // A session that begins behind the last request that is wanted has none that counts.
    endMs = byTime(requests)[requestCount - 1]?.atMs ?? 0;
  }
  return byTime(requests).slice(0, requestCount);
}

function byTime(requests: PlannedRequest[]): PlannedRequest[] {
  return requests.sort((one, other) => one.atMs - other.atMs);
}

function planSession(group: Segment, session: string, startMs: number, prng: Prng): PlannedRequest[] {
  const requests: PlannedRequest[] = [];
  const said: Segment[] = [group];
  let atMs = startMs;
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    said.push({ id: `${session}/${turn}`, text: makeText(TURN_SIZE, prng) });
    const wayCount = prng.nextFraction() < FAN_OUT_FRACTION ? FAN_OUT_COUNT : 1;
    for (let way = 0; way < wayCount; way++) {
      const end: Segment = { id: `${session}/${turn}/${way}`, text: makeText(TURN_SIZE, prng) };
      requests.push({
        atMs,
        segments: wayCount === 1 ? [...said] : [...said, end],
        decodeMs: exponential(DECODE_MS_MEAN, prng),
      });
    }
    if (prng.nextFraction() < 1 / TURNS_MEAN) break;
    atMs += exponential(THINK_MS_MEAN, prng);
  }
  return requests;
}

/** As a chat: the system prompt, then a message per piece. */
export function bodyOf({ segments }: PlannedRequest, model: string): Buffer {
  const messages = segments.map(({ text }, index) => ({ role: index === 0 ? "system" : "user", content: text }));
  return Buffer.from(JSON.stringify({ model, messages }));
}

function exponential(mean: number, prng: Prng): number {
  return -Math.log(1 - prng.nextFraction()) * mean;
}

const LETTERS = "eeeettaaooiinnsshhrrddlcumwfgypbvk    ";

function makeText(size: number, prng: Prng): string {
  let text = "";
  for (let index = 0; index < size; index++) text += LETTERS[prng.nextBelow(LETTERS.length)];
  return text;
}
