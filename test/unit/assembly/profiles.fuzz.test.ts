/**
 * Whole profiles against the plain model of `profile-model.ts`, in batches over random fleets.
 *
 * Strategy: each round draws a fleet (`random-fleet.ts`), one to three profiles of random filters, scorers and a
 * picker, and a batch of requests with prompts, models, masks and sessions. The model runs the requests one after the
 * other and charges, notes cold picks, binds sessions and holds prompts by itself. Invariant: results, targets, totals,
 * scores, charges and, of the batch's last pick, all columns equal the model's, bit for bit.
 */
import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { layout } from "../../../src/wasm/layout.ts";
import type { Decided, PickRequest, SessionUse } from "../../../src/wasm/shard-memory.ts";
import { BLOCK_SIZE, NOW_MS } from "../../support/fleet.ts";
import { KERNEL_BUILDS } from "../../support/kernel.ts";
import { type ModelEndpoint, type ModelProfile, type ModelResult, runProfile } from "../../support/profile-model.ts";
import { promptKeys, userText } from "../../support/prompt-keys.ts";
import { type DrawnFleet, drawProfile, hostPortOf, MODELS, oneOf, RandomFleet } from "../../support/random-fleet.ts";

const BLOCK_TOKENS = BLOCK_SIZE / 4;
const SESSIONS = ["a", "b", "c"] as const;

interface DrawnPrompt {
  readonly text: string;
  readonly model: string | undefined;
  readonly keys: readonly bigint[];
}

interface DrawnRequest {
  readonly request: PickRequest;
  readonly prompt: number | undefined;
  readonly profile: ModelProfile;
}

/** The plain account of what decisions leave behind. */
class Model {
  coldOrder: number[] = [];
  readonly #bindings = new Map<string, { slot: number; generation: number }>();
  #endpoints: Omit<ModelEndpoint, "matched">[] = [];
  #fleet: DrawnFleet | undefined;
  readonly output: { ratio: number; tokensMax: number };
  readonly #prompts: readonly DrawnPrompt[];

  constructor(prompts: readonly DrawnPrompt[], output: { ratio: number; tokensMax: number }) {
    this.#prompts = prompts;
    this.output = output;
  }

  enter(fleet: DrawnFleet): void {
    this.#fleet = fleet;
    this.#endpoints = fleet.endpoints.map((endpoint) => ({ ...endpoint }));
  }

  decide({ request, prompt, profile }: DrawnRequest): ModelResult & { tokens: number; matched: number } {
    const held = prompt === undefined ? undefined : this.#fleet?.held[prompt];
    const drawn = prompt === undefined ? undefined : this.#prompts[prompt];
    const size = drawn === undefined ? 0 : userText(drawn.text).length;
    const promptTokens = Math.ceil(size / 4);
    const uncachedTokens = (matched: number): number => Math.ceil((size - Math.min(size, matched * BLOCK_SIZE)) / 4);
    const pool = this.#endpoints.map((endpoint) => ({ ...endpoint, matched: held?.get(endpoint.slot) ?? 0 }));
    const result = runProfile(
      profile,
      pool,
      {
        seed: (BigInt(request.seedHigh) << 32n) | BigInt(request.seedLow),
        model: drawn?.model,
        promptTokens,
        uncachedTokens,
        blockCount: drawn?.keys.length ?? 0,
        blockTokens: BLOCK_TOKENS,
        masks: request.masks ?? [],
        bound: (request.sessions ?? []).map((session) => this.#boundSlot(session)),
      },
      this.coldOrder,
    );
    if (result.kind !== "picked") return { ...result, tokens: 0, matched: 0 };
    const slot = result.targets[0] as number;
    const matched = held?.get(slot) ?? 0;
    const estimate = Math.min(Math.round(promptTokens * this.output.ratio), this.output.tokensMax);
    const tokens = uncachedTokens(matched) + (drawn === undefined ? 0 : estimate);
    this.#charge(slot, tokens);
    if (request.recordsPrompt !== false) {
      if (drawn !== undefined) held?.set(slot, drawn.keys.length);
      if (result.isCold && this.notesColdPicks) {
        this.coldOrder = [...this.coldOrder.filter((other) => other !== slot), slot];
      }
    }
    for (const session of request.sessions ?? []) this.#bind(session, slot);
    return { ...result, tokens, matched };
  }

  notesColdPicks = false;

  #charge(slot: number, tokens: number): void {
    const endpoint = this.#endpoints.find((one) => one.slot === slot);
    if (endpoint === undefined) throw new Error(`slot ${slot} is no endpoint`);
    endpoint.requests++;
    endpoint.surplus++;
    endpoint.tokens += tokens;
  }

  #boundSlot(session: SessionUse | undefined): number | undefined {
    const binding = session && this.#bindings.get(session.key);
    if (binding === undefined) return undefined;
    return this.#fleet?.generations.get(binding.slot) === binding.generation ? binding.slot : undefined;
  }

  #bind(session: SessionUse | undefined, slot: number): void {
    if (session?.binds !== true || this.#boundSlot(session) !== undefined) return;
    this.#bindings.set(session.key, { slot, generation: this.#fleet?.generations.get(slot) ?? -1 });
  }
}

function drawPrompts(prng: Prng): DrawnPrompt[] {
  return Array.from({ length: 4 }, (_, index) => {
    const text = `${index} `.repeat(1 + prng.nextBelow(oneOf(prng, [20, 400, 900])));
    const model = oneOf(prng, MODELS);
    return { text, model, keys: promptKeys({ prompt: userText(text), model }, BLOCK_SIZE) };
  });
}

function drawRequest(prng: Prng, profiles: readonly ModelProfile[], slots: readonly number[]): DrawnRequest {
  const profile = prng.nextBelow(profiles.length);
  const someSlots = (): number[] => slots.filter(() => prng.nextBelow(3) === 0);
  const masks = [0, 1, 2].map(() => (prng.nextBelow(3) === 0 ? undefined : someSlots()));
  const sessions = [0, 1, 2, 3].map((): SessionUse | undefined =>
    prng.nextBelow(3) === 0 ? undefined : { key: oneOf(prng, SESSIONS), secondsMax: 300, binds: prng.nextBelow(4) > 0 },
  );
  const seeds = { seedLow: prng.nextU32(), seedHigh: prng.nextU32() };
  return {
    prompt: prng.nextBelow(5) === 0 ? undefined : prng.nextBelow(4),
    profile: profiles[profile] as ModelProfile,
    request: { window: undefined, policy: 0, profile, ...seeds, masks, sessions, recordsPrompt: prng.nextBelow(4) > 0 },
  };
}

describe.each([
  [KERNEL_BUILDS[0], 60],
  [KERNEL_BUILDS[1], 250],
] as const)("profiles over random fleets (%s build)", (build, rounds) => {
  it(`decide as the plain model does in ${rounds} rounds`, () => {
    const seed = 20_261_120;
    const prng = new Prng(seed);
    const bench = new RandomFleet(build);
    const seen = { picked: 0, "filtered-out": 0, "no-endpoints": 0 };
    for (let round = 0; round < rounds; round++) {
      const prompts = drawPrompts(prng);
      const output = { ratio: oneOf(prng, [0, 0, 1.5]), tokensMax: oneOf(prng, [10, 1_000_000]) };
      const model = new Model(prompts, output);
      const fleet = bench.draw(prng, { prompts: prompts.map(({ keys }) => keys) });
      model.enter(fleet);
      const profiles = Array.from({ length: 1 + prng.nextBelow(3) }, () => drawProfile(prng));
      model.notesColdPicks = profiles.some(({ scorers }) => scorers.some(({ program }) => program.op === "noHitLru"));
      const policy = bench.publish(profiles, fleet, output.ratio, output.tokensMax);
      const slots = fleet.endpoints.map(({ slot }) => slot);
      const drawn = Array.from({ length: oneOf(prng, [1, 2, 8, 16]) }, () => drawRequest(prng, profiles, slots));
      // Endpoints of a new fleet were never picked, and no session is bound to them.
      const requests = drawn.map(({ request, prompt }) => ({
        ...request,
        policy,
        window: prompt === undefined ? undefined : scan(bench, prompts[prompt] as DrawnPrompt, policy),
      }));
      const decided = bench.shard.decide(requests, NOW_MS, { withScores: true });
      for (const [index, one] of drawn.entries()) {
        const note = `seed ${seed} round ${round} request ${index} ${JSON.stringify(one.profile)}`;
        const expected = model.decide(one);
        seen[expected.kind]++;
        expectSame(decided[index] as Decided, expected, note);
        if (index < drawn.length - 1 || expected.kind !== "picked") continue;
        const count = expected.candidates.length;
        expect(bench.candidateSlots(count), note).toEqual(expected.candidates);
        expect(bench.column(layout.TOTALS, count), note).toEqual(expected.totals);
        const columns = expected.scores.map((_, number) =>
          bench.column(layout.SCORES + number * layout.SCORES_STRIDE, count),
        );
        expect(columns, note).toEqual(expected.scores);
      }
      for (const pick of decided) if (pick.kind === "picked") bench.shard.release(pick);
      for (const { window } of requests) if (window !== undefined) bench.shard.releaseWindow(window);
    }
    expect(seen.picked).toBeGreaterThan(rounds * 2);
    expect(seen["filtered-out"]).toBeGreaterThan(rounds / 4);
  });
});

function expectSame(decided: Decided, expected: ReturnType<Model["decide"]>, note: string): void {
  if (expected.kind !== "picked") {
    const { tokens: _tokens, matched: _matched, ...rest } = expected;
    expect(decided, note).toEqual(rest);
    return;
  }
  const [slot = -1] = expected.targets;
  const position = expected.candidates.indexOf(slot);
  expect(decided, note).toMatchObject({
    kind: "picked",
    slot,
    targets: expected.targets.map(hostPortOf),
    candidateCount: expected.candidates.length,
    matchedBlocks: expected.matched,
    tokens: expected.tokens,
    total: expected.totals[position],
    scores: expected.scores.map((column) => column[position]),
  });
}

function scan(bench: RandomFleet, { text, model }: DrawnPrompt, policy: number): number {
  const window = bench.shard.acquireWindow(layout.API_OPENAI_CHAT, policy);
  if (window === undefined) throw new Error("no window is free");
  const body = JSON.stringify({ model, messages: [{ role: "user", content: text }] });
  expect(bench.shard.feed(window, Buffer.from(body), true)).toBeUndefined();
  return window;
}
