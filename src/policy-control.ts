/**
 * Policies on the control thread: compiles a configuration, publishes it, tells the shards, follows the fleet, and
 * takes in what shards say of it: that they have taken a policy, and how users' plugins fare.
 */
import type { Clock } from "./base/clock.ts";
import type { FleetSnapshot } from "./director/known-fleet.ts";
import type { Endpoint } from "./endpoints/registry.ts";
import { hostPort } from "./framework/endpoint.ts";
import type { FleetEndpoint } from "./framework/fleet.ts";
import type { PluginRegistry } from "./framework/registry.ts";
import { type ModuleFile, moduleFilesOf } from "./framework/user-modules.ts";
import { responseLosses } from "./response-losses.ts";
import { AutoTune, type CacheReport } from "./scheduling/auto-tune.ts";
import type { CompiledPolicy } from "./scheduling/compiled-policy.ts";
import { compilePolicy, type PolicyConfig, PROGRAM_ONLY } from "./scheduling/policy.ts";
import { PolicyPublisher, type PublishedPolicy } from "./scheduling/policy-publisher.ts";
import { ColumnNumbers, type LabelledEndpoint, PolicyResources } from "./scheduling/policy-resources.ts";
import type { FromShard, PluginFailures, PolicyOrder, ToShard } from "./shards/messages.ts";
import type { DegradationReporter } from "./telemetry/health-details.ts";
import type { Logger } from "./telemetry/logger.ts";
import { AttributeColumns } from "./wasm/attribute-columns.ts";
import type { EndpointColumns } from "./wasm/endpoint-columns.ts";
import type { Kernel } from "./wasm/kernel.ts";
import { PolicyTable } from "./wasm/policies.ts";
import { PolicyMasks } from "./wasm/policy-masks.ts";

export interface PolicyControlOptions {
  readonly memory: WebAssembly.Memory;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly degraded: DegradationReporter;
  /** The fleet now. */
  readonly endpoints: () => readonly Endpoint[];
  readonly columns: Pick<EndpointColumns, "setLaneLimit">;
  /** Tells all shards that run; returns their numbers. */
  readonly tell: (message: ToShard) => readonly number[];
  /** Endpoints that a pick names, instead of what the profiles say. */
  readonly targetsMax?: number | undefined;
}

/** Failures of plugins since the start, by plugin and cause. */
export interface PluginFailureCount {
  readonly plugin: string;
  readonly cause: string;
  readonly count: number;
}

export class PolicyControl {
  readonly #options: PolicyControlOptions;
  readonly #values: AttributeColumns;
  /** By slot. */
  readonly #cacheShapes = new Map<number, Pick<CacheReport, "blockSizeTokens" | "blockCount">>();
  readonly #publisher: PolicyPublisher;
  readonly #autoTune: AutoTune;
  readonly #failures = new Map<string, PluginFailureCount>();
  /** What shards need to compile each version for themselves. */
  #sources = new Map<number, { readonly config: PolicyConfig; readonly modules: readonly ModuleFile[] }>();
  #fleetVersion = 0;

  constructor(options: PolicyControlOptions) {
    const { memory, kernel, clock, degraded, columns, tell } = options;
    const values = new AttributeColumns(memory, kernel);
    this.#options = options;
    this.#values = values;
    this.#publisher = new PolicyPublisher({
      clock,
      table: new PolicyTable(memory),
      columns: new ColumnNumbers(values),
      resources: new PolicyResources(new PolicyMasks(memory), values),
      endpoints: () => options.endpoints().map(labelled),
      tell: (policy) => tell({ kind: "policy", policy: this.#order(policy) }),
      onWaiting: (reason) => {
        if (reason === undefined) degraded.clear("policy-waiting");
        else degraded.raise("policy-waiting", reason);
      },
    });
    this.#autoTune = new AutoTune({
      setLaneLimit: (slot, blocks) => columns.setLaneLimit(slot, blocks),
      onTuned: (tuning) => this.#publisher.retune({ ...tuning, targetsMax: options.targetsMax }),
    });
  }

  /** The policy that new requests get. */
  get current(): PublishedPolicy | undefined {
    return this.#publisher.current;
  }

  /** What a policy number stands for, to explain decisions. */
  policyOf(number: number): CompiledPolicy | undefined {
    return this.#publisher.policyOf(number)?.compiled;
  }

  get pluginFailures(): readonly PluginFailureCount[] {
    return [...this.#failures.values()];
  }

  /** Makes this the configuration of new requests. Throws a ConfigError, with nothing changed, when it cannot. */
  replace(config: PolicyConfig, registry: PluginRegistry): CompiledPolicy {
    const { clock, logger, targetsMax } = this.#options;
    const compiled = compilePolicy(config, registry, {
      ...PROGRAM_ONLY,
      nowMs: () => clock.nowMs(),
      onWarning: (plugin, text) => logger.warn({ plugin }, `plugin ${plugin}: ${text}`),
    });
    this.#publisher.checkRoom(compiled);
    for (const loss of responseLosses(compiled)) logger.warn(loss);
    this.#autoTune.setShape(compiled.prefixCache, this.#cacheReports());
    const version = this.#publisher.propose(compiled, { ...this.#autoTune.tuning, targetsMax });
    const { plugins, schedulingProfiles, saturationDetector, parsers, responseBody } = config;
    const source: PolicyConfig = {
      plugins,
      schedulingProfiles,
      ...(saturationDetector !== undefined && { saturationDetector }),
      ...(parsers !== undefined && { parsers }),
      ...(responseBody !== undefined && { responseBody }),
    };
    this.#sources.set(version, { config: source, modules: moduleFilesOf(plugins, registry) });
    this.#publisher.advance();
    return compiled;
  }

  /** What a shard that starts begins with. */
  beginning(shard: number): { readonly policy: PolicyOrder; readonly fleet: FleetSnapshot } {
    const policy = this.#publisher.onShardStarting(shard);
    if (policy === undefined) throw new Error("a shard is started before there is a policy");
    return { policy: this.#order(policy), fleet: this.#fleet() };
  }

  onShardDeath(shard: number): void {
    this.#publisher.onShardGone(shard);
  }

  /** An endpoint is about to become present. */
  onEndpointAdding(endpoint: LabelledEndpoint): void {
    this.#cacheShapes.delete(endpoint.slot);
    this.#publisher.onEndpointAdding(endpoint);
  }

  /** Endpoints came, went or have other labels. */
  onFleetChanged(): void {
    this.#publisher.onEndpointsChanged(this.#options.endpoints().map(labelled));
    // Also for the limits of new endpoints.
    this.#autoTune.onReports(this.#cacheReports());
    this.#fleetVersion++;
    this.#options.tell({ kind: "fleet", fleet: this.#fleet() });
  }

  /** What the engine of an endpoint says of its cache has changed. */
  onCacheShape(slot: number, shape: Pick<CacheReport, "blockSizeTokens" | "blockCount">): void {
    this.#cacheShapes.set(slot, shape);
    this.#autoTune.onReports(this.#cacheReports());
  }

  /** Writes what was scraped of an endpoint besides its load into the columns that policies read. */
  setAttributes(slot: number, attributes: ReadonlyMap<string, number>): void {
    for (const { source, number } of this.#publisher.scrapedColumns) {
      this.#values.set(number, slot, attributes.get(source.attribute) ?? Number.NaN);
    }
  }

  onMessage(shard: number, message: FromShard): void {
    switch (message.kind) {
      case "policyTaken":
      case "policyFailed":
        this.#publisher.onTaken(shard, message.number);
        break;
      case "pluginFailures":
        for (const failures of message.failures) this.#countFailures(shard, failures);
        break;
      default:
        break;
    }
  }

  close(): void {
    this.#publisher.close();
  }

  #countFailures(shard: number, { plugin, cause, count, message: reason }: PluginFailures): void {
    const key = `${cause} ${plugin}`;
    const sum = (this.#failures.get(key)?.count ?? 0) + count;
    this.#failures.set(key, { plugin, cause, count: sum });
    this.#options.logger.warn(
      { plugin, cause, count, shard, reason },
      `plugin ${plugin} failed and was left out: ${reason}`,
    );
  }

  #order({ number, version, columnNumbers }: PublishedPolicy): PolicyOrder {
    const source = this.#sources.get(version);
    if (source === undefined) throw new Error(`nothing is known of policy version ${version}`);
    for (const known of this.#sources.keys()) if (known < version) this.#sources.delete(known);
    return { number, version, columnNumbers, ...source };
  }

  /** In the order of the fleet. */
  #cacheReports(): CacheReport[] {
    return this.#options.endpoints().map(({ slot, generation }) => {
      return { slot, generation, ...(this.#cacheShapes.get(slot) ?? UNKNOWN_SHAPE) };
    });
  }

  #fleet(): FleetSnapshot {
    return { version: this.#fleetVersion, endpoints: this.#options.endpoints().map(fleetEndpoint) };
  }
}

const UNKNOWN_SHAPE = { blockSizeTokens: undefined, blockCount: undefined };

function labelled({ slot, spec }: Endpoint): LabelledEndpoint {
  return { slot, labels: spec.labels };
}

function fleetEndpoint({ id, slot, generation, spec }: Endpoint): FleetEndpoint {
  const { address, labels } = spec;
  return { id, slot, generation, address, hostPort: hostPort(spec), labels };
}
