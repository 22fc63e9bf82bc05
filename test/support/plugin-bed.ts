/**
 * Plugins in a kernel: a profile of created filters, scorers and a picker over a test fleet, with what their programs
 * name (label masks, columns, masks and sessions of a request) filled in as a running picker does.
 */
import type { CreateContext, Plugin, PluginDefinition } from "../../src/framework/plugin.ts";
import type { FilterProgram, ProgramResources, ScorerProgram } from "../../src/framework/programs.ts";
import { AttributeColumns } from "../../src/wasm/attribute-columns.ts";
import { type Adapters, EndpointNames } from "../../src/wasm/endpoint-names.ts";
import { layout } from "../../src/wasm/layout.ts";
import { FILTER_OPS, type KernelProgram, PICKER_OPS, SCORER_OPS } from "../../src/wasm/policies.ts";
import { PolicyMasks } from "../../src/wasm/policy-masks.ts";
import type { Decided, PickRequest, SessionUse } from "../../src/wasm/shard-memory.ts";
import { BLOCK_SIZE, type EndpointLoad, NOW_MS, type PolicyChanges, type TestFleet, testFleet } from "./fleet.ts";
import type { KernelBuild } from "./kernel.ts";
import { fleetView, requestView } from "./plugin-views.ts";
import { createPlugin } from "./plugins.ts";
import { promptKeys, userText } from "./prompt-keys.ts";

/** An endpoint with what plugins can judge it by. */
export interface BedEndpoint extends EndpointLoad {
  readonly labels?: Readonly<Record<string, string>>;
  readonly runningRequests?: number;
  /** Custom metrics. */
  readonly attributes?: Readonly<Record<string, number>>;
  readonly adapters?: Adapters;
  readonly servedModels?: readonly string[];
}

export interface BedProfile {
  readonly filters?: readonly Plugin[];
  /** Each with weight 1. */
  readonly scorers?: readonly Plugin[];
  readonly picker?: Plugin;
  readonly policy?: PolicyChanges;
}

export interface BedRequest {
  readonly headers?: Readonly<Record<string, string>>;
  /** Text of the only message; absent: a request without a body. */
  readonly prompt?: string;
  readonly model?: string;
  readonly seed?: number;
  readonly nowMs?: number;
}

export interface PluginBed {
  readonly fleet: TestFleet;
  decide(request?: BedRequest): Decided;
  /** Slots that the filters leave. The pick is released again. */
  kept(request?: BedRequest): number[];
  /** Scores of the candidates by the only scorer. The pick is released again. */
  scores(request?: BedRequest): number[];
  /** Sends requests to an endpoint that stay in flight, each with a prompt of so many tokens that nobody holds. */
  charge(slot: number, ...promptTokens: readonly number[]): void;
  /** Lets an endpoint hold the first blocks of a prompt. */
  hold(slot: number, prompt: string, blocks: number, model?: string): void;
}

/** The prompt of a request that counts as so many tokens, the role of its message included; at least 1. */
export function promptOfTokens(tokens: number, letter = "p"): string {
  return letter.repeat(tokens * 4 - userText("").length);
}

/** A plugin of these parameters, as the configuration of a profile would have it. */
export function part<Parameters>(
  definition: PluginDefinition<Parameters>,
  parameters: unknown = {},
  context: Partial<CreateContext> = {},
): Plugin {
  return createPlugin(definition, parameters, context);
}

export function pluginBed(build: KernelBuild, endpoints: readonly BedEndpoint[], profile: BedProfile): PluginBed {
  const resources = new Resources();
  const filters = (profile.filters ?? []).map(({ filter }) => filterProgram(filter, resources));
  const scorers = (profile.scorers ?? []).map(({ scorer }) => ({
    program: scorerProgram(scorer, resources),
    weight: 1,
  }));
  const policy: PolicyChanges = { ...profile.policy, filters, ...pickerChanges(profile.picker) };
  const fleet = testFleet(build, endpoints, scorers, { policy });
  const view = fleetView(endpoints.map(({ labels = {} }) => ({ labels })));
  resources.fill(fleet, endpoints, fleet.request().policy);
  fillEndpoints(fleet, endpoints);
  const pickRequest = ({ headers = {}, prompt, model, seed }: BedRequest): PickRequest => {
    const window = prompt === undefined ? undefined : fleet.scan(prompt, model === undefined ? {} : { model });
    const request = requestView(headers);
    return {
      ...fleet.request(window, seed),
      masks: resources.requestMasks.map((mask) => mask(request, view)?.map(({ slot }) => slot)),
      sessions: resources.sessions.map((session) => session(request)),
    };
  };
  const decide = (request: BedRequest = {}): Decided => {
    const asked = pickRequest(request);
    const [shard] = fleet.shards;
    const decided = shard?.decide([asked], request.nowMs ?? NOW_MS, { withScores: true })[0];
    if (shard === undefined || decided === undefined) throw new Error("nothing was decided");
    if (asked.window !== undefined) shard.releaseWindow(asked.window);
    return decided;
  };
  const release = (decided: Decided): number => {
    if (decided.kind !== "picked") return 0;
    fleet.shards[0]?.release(decided);
    return decided.candidateCount;
  };
  let plainPolicy: number | undefined;
  const charge: PluginBed["charge"] = (slot, ...promptTokens) => {
    plainPolicy ??= fleet.publish([], { filters: [], picker: PICKER_OPS.maxScore });
    for (const tokens of promptTokens) {
      const window = tokens === 0 ? undefined : fleet.scan(promptOfTokens(tokens, "c"), { model: "charged-model" });
      const asked: PickRequest = {
        ...fleet.request(window),
        policy: plainPolicy,
        addresses: [`10.0.${slot >> 8}.${slot & 255}`],
        recordsPrompt: false,
      };
      const decided = fleet.shards[0]?.decide([asked], NOW_MS, { withScores: false })[0];
      if (decided?.kind !== "picked" || decided.tokens !== tokens) throw new Error(`slot ${slot} was not charged`);
      if (window !== undefined) fleet.shards[0]?.releaseWindow(window);
    }
  };
  return {
    fleet,
    decide,
    charge,
    hold(slot, prompt, blocks, model = "test-model") {
      fleet.hold(slot, promptKeys({ model, prompt: userText(prompt) }, BLOCK_SIZE).slice(0, blocks));
    },
    kept(request) {
      const count = release(decide(request));
      const slots = fleet.shardBase(0) + layout.CANDIDATE_SLOTS;
      return [...new Uint16Array(fleet.memory.buffer, slots, count)].toSorted((a, b) => a - b);
    },
    scores(request) {
      const count = release(decide(request));
      return [...new Float64Array(fleet.memory.buffer, fleet.shardBase(0) + layout.SCORES, count)];
    },
  };
}

type RequestMask = NonNullable<ProgramResources["requestMask"]>;

/** What the programs of a profile name, by the numbers that they get. */
class Resources {
  readonly labelMasks: NonNullable<ProgramResources["labelMask"]>[] = [];
  readonly columns: NonNullable<ProgramResources["columns"]>[number][] = [];
  readonly requestMasks: RequestMask[] = [];
  readonly sessions: ((request: Parameters<RequestMask>[0]) => SessionUse | undefined)[] = [];

  /** The numbers under which a program finds what it needs. */
  add(program: ProgramResources): Pick<KernelProgram, "mask" | "column" | "operand"> {
    const { labelMask, requestMask, columns = [], sessionKey, sessionSecondsMax = 0 } = program;
    if (labelMask !== undefined) return { mask: this.labelMasks.push(labelMask) - 1 };
    if (requestMask !== undefined) return { mask: this.requestMasks.push(requestMask) - 1 };
    if (sessionKey !== undefined) {
      const session = (request: Parameters<RequestMask>[0]): SessionUse | undefined => {
        const key = sessionKey(request);
        return key === undefined ? undefined : { key, secondsMax: sessionSecondsMax, binds: true };
      };
      return { operand: this.sessions.push(session) - 1 };
    }
    const [column, operand] = columns.map((source) => this.columns.push(source) - 1);
    return { ...(column === undefined ? {} : { column }), ...(operand === undefined ? {} : { operand }) };
  }

  fill(fleet: TestFleet, endpoints: readonly BedEndpoint[], policy: number): void {
    const masks = new PolicyMasks(fleet.memory);
    const attributes = new AttributeColumns(fleet.memory, fleet.kernel);
    for (const [slot, { labels = {}, attributes: values = {} }] of endpoints.entries()) {
      for (const [number, mask] of this.labelMasks.entries()) masks.set(policy, number, slot, mask(labels));
      for (const [number, source] of this.columns.entries()) {
        const value = source.kind === "labels" ? source.value(labels) : (values[source.attribute] ?? Number.NaN);
        attributes.set(number, slot, value);
      }
    }
  }
}

function filterProgram(filter: Plugin["filter"], resources: Resources): KernelProgram {
  if (filter === undefined || !("op" in filter)) throw new Error("the plugin is no kernel filter");
  return kernelProgram(filter, FILTER_OPS[filter.op], resources);
}

function scorerProgram(scorer: Plugin["scorer"], resources: Resources): KernelProgram {
  if (scorer === undefined || !("op" in scorer)) throw new Error("the plugin is no kernel scorer");
  return kernelProgram(scorer, SCORER_OPS[scorer.op], resources);
}

function kernelProgram(program: FilterProgram | ScorerProgram, op: number, resources: Resources): KernelProgram {
  return { op, parameters: program.parameters ?? [], ...resources.add(program) };
}

function pickerChanges(plugin: Plugin | undefined): PolicyChanges {
  const picker = plugin?.picker;
  if (picker === undefined) return {};
  if (!("op" in picker)) throw new Error("the plugin is no kernel picker");
  return { picker: PICKER_OPS[picker.op], targetsMax: picker.targetsMax };
}

/** What the test fleet's own loads leave out. */
function fillEndpoints({ columns, memory, kernel }: TestFleet, endpoints: readonly BedEndpoint[]): void {
  const names = new EndpointNames(memory, kernel);
  for (const [slot, { adapters, servedModels, scrapedAtMs, ...load }] of endpoints.entries()) {
    names.setAdapters(slot, adapters);
    names.setServedModels(slot, servedModels);
    if (scrapedAtMs === undefined) continue;
    columns.setScraped(slot, {
      queueDepthRequests: load.queueDepthRequests,
      runningRequests: load.runningRequests,
      kvCacheUsageFraction: load.kvCacheUsageFraction,
      inFlightAtScrape: 0,
      scrapedAtMs,
    });
  }
}
