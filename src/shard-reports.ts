/**
 * Takes in what shards say: names they do not know, degraded states, lines for the log. None of it is a request, and
 * none of it is waited for.
 */
import { formatDecision } from "./admin/decision-log.ts";
import type { EndpointRegistry } from "./endpoints/registry.ts";
import type { PolicyControl } from "./policy-control.ts";
import type { FromShard } from "./shards/messages.ts";
import type { ControlCounters } from "./telemetry/control-counters.ts";
import { type DegradationReporter, ShardReports } from "./telemetry/health-details.ts";
import type { Logger } from "./telemetry/logger.ts";
import { OutcomeLog } from "./telemetry/outcome-log.ts";
import type { NameTable } from "./wasm/name-table.ts";

export interface ShardReportsOptions {
  readonly shardCount: number;
  readonly logger: Logger;
  readonly degraded: DegradationReporter;
  readonly control: ControlCounters;
  readonly names: NameTable;
  readonly policies: Pick<PolicyControl, "onMessage" | "policyOf">;
  readonly endpoints: EndpointRegistry;
  readonly onConnectionShed: (shard: number) => void;
  /** Gets a line per decision and refusal. */
  readonly onDecisionLine: ((line: string) => void) | undefined;
}

export class ShardReportsTaker {
  readonly #options: ShardReportsOptions;
  readonly #states: readonly ShardReports[];
  readonly #outcomes: OutcomeLog;

  constructor(options: ShardReportsOptions) {
    const { shardCount, degraded, logger, endpoints } = options;
    this.#options = options;
    this.#states = Array.from({ length: shardCount }, (_, shard) => new ShardReports(degraded, nameOf(shard)));
    this.#outcomes = new OutcomeLog({ logger, endpointName: (slot) => endpoints.at(slot)?.id });
  }

  /** Its charges have been returned, and it is about to be started again. */
  onDeath(shard: number, reason: string, cause: unknown): void {
    const { degraded, logger } = this.#options;
    this.#states[shard]?.clearAll();
    if (cause instanceof Error) logger.error({ error: cause }, `${nameOf(shard)} died`);
    degraded.raise("shard-down", `${nameOf(shard)} died: ${reason}`, nameOf(shard));
  }

  onMessage(shard: number, message: FromShard): void {
    const { degraded, policies, control, logger, onDecisionLine } = this.#options;
    switch (message.kind) {
      case "listening":
        degraded.clear("shard-down", nameOf(shard));
        break;
      case "listenFailed":
        break;
      case "policyTaken":
      case "policyFailed":
      case "pluginFailures":
        policies.onMessage(shard, message);
        break;
      case "degraded":
        this.#states[shard]?.raise(message.code, message.detail, message.subject);
        break;
      case "recovered":
        this.#states[shard]?.clear(message.code, message.subject);
        break;
      case "outcomes":
        for (const outcome of message.outcomes) this.#outcomes.write(shard, outcome);
        break;
      case "suppressedOutcomes":
        this.#outcomes.writeSuppressed(shard, message.counts);
        break;
      case "connectionShed":
        this.#options.onConnectionShed(shard);
        break;
      case "handshakesFailed":
        control.tlsHandshakesFailed += message.report.count;
        logger.warn({ ...message.report }, "clients did not come through the TLS handshake of ext_proc");
        break;
      case "connectionsFailed":
        control.connectionsFailed += message.report.count;
        logger.warn({ ...message.report }, "connections of ext_proc were given up for what their client sent");
        break;
      case "unknownName":
        this.#addName(message.name);
        break;
      case "decision":
        this.#explain(message);
        break;
      case "refusal":
        onDecisionLine?.(`refused with ${message.code}: ${message.message}`);
        break;
      case "protocolError":
        onDecisionLine?.(`stream ended: ${message.message}`);
        break;
    }
  }

  #addName(name: string): void {
    const { names, degraded } = this.#options;
    names.add(name);
    if (!names.hasRoom) degraded.raise("name-table-full", `${names.names.length} names are told apart, no more`);
  }

  #explain({ record }: Extract<FromShard, { readonly kind: "decision" }>): void {
    const { endpoints, policies, onDecisionLine } = this.#options;
    const endpointName = (slot: number): string => endpoints.at(slot)?.spec.name ?? `slot ${slot}`;
    const scorers = policies.policyOf(record.policy)?.profiles[record.profile]?.scorers ?? [];
    onDecisionLine?.(formatDecision(record, { endpointName, scorers }));
  }
}

function nameOf(shard: number): string {
  return `shard ${shard}`;
}
