/**
 * Compiles the profiles of a configuration: which programs of the kernel and which functions of users run, in which
 * order, under which numbers.
 */
import { ConfigError } from "../base/errors.ts";
import type { ProfilePlugin, SchedulingProfile } from "../config/config.ts";
import { SCORER_WEIGHT_DEFAULT } from "../config/defaults.ts";
import type {
  CustomFilter,
  CustomPicker,
  CustomScorer,
  FilterProgram,
  PickerProgram,
  ScorerProgram,
} from "../framework/programs.ts";
import { layout } from "../wasm/layout.ts";
import type { CompiledProfile, CustomStages, Guarded } from "./compiled-policy.ts";
import { type CreatedPlugin, facetsOf } from "./instances.ts";
import type { PluginGuard } from "./plugin-guard.ts";
import type { ProgramNumbers, ResourceNumbers } from "./resources.ts";

/** A program with the numbers of what it reads; undefined where a user's function runs instead. */
export interface NumberedProgram<Program> {
  readonly program: Program | undefined;
  readonly numbers: ProgramNumbers;
}

/** A profile as the kernel needs it. */
export interface ProfileSource {
  readonly filters: readonly NumberedProgram<FilterProgram>[];
  readonly scorers: readonly (NumberedProgram<ScorerProgram> & { readonly weight: number })[];
  /** Undefined where a user's picker runs. */
  readonly picker: PickerProgram | undefined;
  readonly targetsMax: number;
}

export interface ProfileContext {
  readonly plugins: ReadonlyMap<string, CreatedPlugin>;
  readonly guards: ReadonlyMap<string, PluginGuard>;
  readonly resources: ResourceNumbers;
}

/** Of a profile that lists no picker. */
const PICKER_DEFAULT: PickerProgram = { op: "maxScore", targetsMax: 1 };
const NO_NUMBERS: ProgramNumbers = { columns: [] };

/** Throws a ConfigError with the path of the entry at fault. */
export function compileProfile(
  profile: SchedulingProfile,
  index: number,
  context: ProfileContext,
): { readonly profile: CompiledProfile; readonly source: ProfileSource } {
  const compiler = new ProfileCompiler(profile, index, context);
  for (const [position, entry] of profile.plugins.entries()) compiler.add(entry, position);
  return compiler.finish();
}

class ProfileCompiler {
  readonly #profile: SchedulingProfile;
  readonly #path: readonly (string | number)[];
  readonly #context: ProfileContext;
  readonly #filters: (NumberedProgram<FilterProgram> & { name: string })[] = [];
  readonly #scorers: (NumberedProgram<ScorerProgram> & { name: string; weight: number })[] = [];
  readonly #customFilters = new Map<number, Guarded<CustomFilter>>();
  readonly #customScorers = new Map<number, Guarded<CustomScorer>>();
  #picker: { readonly name: string; readonly part: PickerProgram | CustomPicker } | undefined;

  constructor(profile: SchedulingProfile, index: number, context: ProfileContext) {
    this.#profile = profile;
    this.#path = profile.origin?.kind === "document" ? profile.origin.path : ["schedulingProfiles", index];
    this.#context = context;
  }

  /** A plugin that filters, scores and picks does all that it can, in this order. */
  add(entry: ProfilePlugin, position: number): void {
    const path = entry.origin?.kind === "document" ? entry.origin.path : [...this.#path, "plugins", position];
    const place = `schedulingProfiles "${this.#profile.name}".plugins[${position}]`;
    const { pluginRef: name, weight } = entry;
    const created = this.#find(name, place, path);
    const { filter, scorer, picker, profileHandler } = created.plugin;
    if (filter !== undefined) this.#addFilter(name, filter);
    if (scorer !== undefined) this.#addScorer(name, scorer, readWeight(weight, place, path));
    if (picker !== undefined) this.#addPicker({ name, part: picker }, place, path);
    if (filter !== undefined || scorer !== undefined || picker !== undefined) return;
    // As in the Go picker, where configurations list it.
    if (profileHandler !== undefined) return;
    const facets = facetsOf(created).join(", ");
    throw new ConfigError(`${place}: "${name}" is a ${facets}; a profile lists filters, scorers and one picker`, {
      path,
    });
  }

  finish(): { readonly profile: CompiledProfile; readonly source: ProfileSource } {
    this.#checkCount("filters", this.#filters.length, layout.FILTERS_MAX);
    this.#checkCount("scorers", this.#scorers.length, layout.SCORERS_MAX);
    const picker = this.#picker ?? { name: "", part: PICKER_DEFAULT };
    const numbers = [...this.#filters, ...this.#scorers].map((entry) => entry.numbers);
    return {
      source: {
        filters: this.#filters,
        scorers: this.#scorers,
        picker: "op" in picker.part ? picker.part : undefined,
        targetsMax: Math.min(picker.part.targetsMax, layout.TARGETS_MAX),
      },
      profile: {
        name: this.#profile.name,
        filters: this.#filters.map(({ name }) => name),
        scorers: this.#scorers.map(({ name, weight }) => ({ name, weight })),
        picker: picker.name,
        custom: this.#custom(),
        requestMasks: distinct(numbers.map(({ requestMask }) => requestMask)),
        sessions: distinct(numbers.map(({ session }) => session)),
      },
    };
  }

  #find(name: string, place: string, path: readonly (string | number)[]): CreatedPlugin {
    const created = this.#context.plugins.get(name);
    if (created !== undefined) return created;
    const names = [...this.#context.plugins.keys()].join(", ");
    throw new ConfigError(`${place}: pluginRef "${name}" is not the name of a plugin; names: ${names}`, {
      path: [...path, "pluginRef"],
    });
  }

  #addFilter(name: string, filter: FilterProgram | CustomFilter): void {
    if ("op" in filter) {
      this.#filters.push({ name, program: filter, numbers: this.#context.resources.add(name, filter) });
      return;
    }
    this.#customFilters.set(this.#filters.length, this.#guarded(name, filter));
    this.#filters.push({ name, program: undefined, numbers: NO_NUMBERS });
  }

  #addScorer(name: string, scorer: ScorerProgram | CustomScorer, weight: number): void {
    if ("op" in scorer) {
      this.#scorers.push({ name, weight, program: scorer, numbers: this.#context.resources.add(name, scorer) });
      return;
    }
    this.#customScorers.set(this.#scorers.length, this.#guarded(name, scorer));
    this.#scorers.push({ name, weight, program: undefined, numbers: NO_NUMBERS });
  }

  #addPicker(
    picker: { readonly name: string; readonly part: PickerProgram | CustomPicker },
    place: string,
    path: readonly (string | number)[],
  ): void {
    if (this.#picker !== undefined) {
      throw new ConfigError(`${place}: "${picker.name}" is a second picker; keep one`, { path });
    }
    this.#picker = picker;
  }

  #custom(): CustomStages | undefined {
    const picker = this.#picker;
    const custom = picker === undefined || "op" in picker.part ? undefined : this.#guarded(picker.name, picker.part);
    if (this.#customFilters.size + this.#customScorers.size === 0 && custom === undefined) return undefined;
    return { filters: this.#customFilters, scorers: this.#customScorers, picker: custom };
  }

  #guarded<Part>(name: string, part: Part): Guarded<Part> {
    const guard = this.#context.guards.get(name) as PluginGuard;
    return { name, part, guard };
  }

  #checkCount(what: string, count: number, countMax: number): void {
    if (count <= countMax) return;
    const { name } = this.#profile;
    throw new ConfigError(`schedulingProfiles "${name}" has ${count} ${what}; at most ${countMax} can be used`, {
      path: this.#path,
    });
  }
}

/** Any finite number: a negative weight turns a preference round. */
function readWeight(weight: number | undefined, place: string, path: readonly (string | number)[]): number {
  if (weight === undefined) return SCORER_WEIGHT_DEFAULT;
  if (Number.isFinite(weight)) return weight;
  throw new ConfigError(`${place}: weight ${weight} is not a finite number`, { path: [...path, "weight"] });
}

function distinct(numbers: readonly (number | undefined)[]): number[] {
  return [...new Set(numbers)].filter((number) => number !== undefined).sort((a, b) => a - b);
}
