/**
 * The text of `/metrics`: the engine's families, padding when a realistic size is asked for, and last those that carry
 * information in labels, as in vLLM: a reader that wants them must read to the end.
 */
import type { Engine } from "./engine.ts";
import { formatFamily } from "./exposition-format.ts";
import { exposePadding } from "./exposition-padding.ts";
import { AdapterSeries, cacheConfigFamily, type MetricFamily, requestFamilies } from "./metric-families.ts";
import type { MetricOverrides, SimulatorSettings } from "./options.ts";

export class Exposition {
  readonly #engine: Engine;
  readonly #settings: SimulatorSettings;
  readonly #adapterSeries = new AdapterSeries();
  readonly #createdSeconds: number;
  #padding: string | undefined;

  constructor(engine: Engine, settings: SimulatorSettings) {
    this.#engine = engine;
    this.#settings = settings;
    this.#createdSeconds = settings.clock.wallMs() / 1000;
  }

  render(overrides: MetricOverrides): string {
    const settings = this.#settings;
    const requests = requestFamilies(this.#engine, settings);
    const infos = [cacheConfigFamily(settings)];
    if (settings.adapters.length > 0) infos.unshift(this.#adapterSeries.family(this.#engine, settings));
    const start = this.#format([
      ...override(requests, overrides),
      ...scriptedGauges([...requests, ...infos], overrides),
    ]);
    const end = this.#format(override(infos, overrides));
    this.#padding ??= this.#pad(settings.expositionSizeMin - start.length - end.length);
    return start + this.#padding + end;
  }

  #format(families: readonly MetricFamily[]): string {
    return families.map((family) => formatFamily(family, this.#createdSeconds)).join("");
  }

  #pad(sizeMin: number): string {
    return exposePadding(sizeMin, this.#settings.model, this.#createdSeconds);
  }
}

function override(families: readonly MetricFamily[], overrides: MetricOverrides): MetricFamily[] {
  return families.flatMap((family) => {
    const value = overrides[family.name];
    if (value === undefined) return [family];
    if (value === "absent") return [];
    return [{ ...family, samples: family.samples.map((sample) => ({ ...sample, value })) }];
  });
}

/** Gauges that the engine does not have but the overrides name: how another kind of engine is imitated. */
function scriptedGauges(known: readonly MetricFamily[], overrides: MetricOverrides): MetricFamily[] {
  const knownNames = new Set(known.map((family) => family.name));
  return Object.entries(overrides).flatMap(([name, value]): MetricFamily[] => {
    if (knownNames.has(name) || value === "absent") return [];
    return [{ name, type: "gauge", help: "Scripted.", samples: [{ suffix: "", labels: {}, value }] }];
  });
}
