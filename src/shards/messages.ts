/** What the control thread and a shard say to each other. Requests never pass here; they stay on their shard. */
import type { MessagePort } from "node:worker_threads";
import type { ErrorCode } from "../base/errors.ts";
import type { TransportKind } from "../config/defaults.ts";
import type { DecisionRecord } from "../director/context.ts";
import type { FleetSnapshot } from "../director/known-fleet.ts";
import type { Objective } from "../framework/objective.ts";
import type { ModuleFile } from "../framework/user-modules.ts";
import type { KeyPair, TlsServing } from "../platform/tls.ts";
import type { FailureCause } from "../scheduling/plugin-guard.ts";
import type { PolicyConfig } from "../scheduling/policy.ts";
import type { DegradedCode } from "../telemetry/degraded-states.ts";
import type { RequestOutcome, SuppressedOutcomes } from "../telemetry/outcome-sampler.ts";
import type { TracingSettings } from "../telemetry/tracing/settings.ts";
import type { FailureReport } from "./failure-reports.ts";

/** A policy that a shard is to compile for itself, or compiled before. */
export interface PolicyOrder {
  readonly number: number;
  /** Orders of one version have the same plugins, which go on as they are. */
  readonly version: number;
  readonly config: PolicyConfig;
  /** Modules of users that the configuration needs. */
  readonly modules: readonly ModuleFile[];
  /** Numbers of the attribute columns, by key. */
  readonly columnNumbers: ReadonlyMap<string, number>;
}

/** How a shard meets its clients. */
export interface ServingSettings {
  readonly transport: TransportKind;
  /** Plaintext when absent. */
  readonly tls?: TlsServing | undefined;
  /** Answer gRPC health on the port of ext_proc, too. */
  readonly servesHealth: boolean;
  /** A larger message from a client ends its stream; the largest body and its headers fit in when absent. */
  readonly messageReceiveSizeMax?: number | undefined;
  /** A larger message to a client ends its stream; no limit when absent. */
  readonly messageSendSizeMax?: number | undefined;
}

/** What a shard is started with. */
export interface ShardTask {
  readonly memory: WebAssembly.Memory;
  /** What the shard counts in; the series table of one that died goes to its successor. */
  readonly series: SharedArrayBuffer;
  readonly shard: number;
  readonly control: MessagePort;
  /** Where operators' questions come in (src/platform/thread-queries.ts). */
  readonly queries: MessagePort;
  readonly serving: ServingSettings;
  /** What health says at first. */
  readonly isReady: boolean;
  readonly listen: { readonly host: string; readonly port: number; readonly reusePort: boolean };
  /** Seeds the draws of this shard's decisions. */
  readonly seed: number;
  readonly requestBodySizeMax: number;
  readonly policy: PolicyOrder;
  readonly fleet: FleetSnapshot;
  readonly objectives: readonly Objective[];
  /** Restrict requests to the endpoints that the proxy names. */
  readonly honoursSubsetHint: boolean;
  /** How requests are traced; they are not when undefined. */
  readonly tracing: TracingSettings | undefined;
  /** Count ext_proc streams by how they end. */
  readonly countsStreams: boolean;
  /** Tell the proxy every candidate's total. */
  readonly emitEndpointScores: boolean;
  /** Report every decision and refusal. */
  readonly reportDecisions: boolean;
  /** Report requests that are over, for the log. */
  readonly reportOutcomes: boolean;
}

/** What a shard's task ends with. */
export interface ShardResult {
  /** Streams that were open when their time was over. */
  readonly streamsCut: number;
}

export type ToShard =
  /** New requests get this policy; those in flight finish on the one that they have. */
  | { readonly kind: "policy"; readonly policy: PolicyOrder }
  | { readonly kind: "fleet"; readonly fleet: FleetSnapshot }
  | { readonly kind: "objectives"; readonly objectives: readonly Objective[] }
  /** New connections see this certificate. */
  | { readonly kind: "certificate"; readonly keyPair: KeyPair }
  /** What health says from now on. */
  | { readonly kind: "health"; readonly isReady: boolean }
  /** Have a proxy replace a connection, with about this part of the streams, 0 to 1. */
  | { readonly kind: "shed"; readonly share: number }
  /** Take no new streams, serve the open ones for up to `graceMs`, then end. */
  | { readonly kind: "drain"; readonly graceMs: number }
  /** End now. */
  | { readonly kind: "close" };

export type FromShard =
  /** `thread`: Node's number of the thread that the shard runs on. */
  | { readonly kind: "listening"; readonly port: number; readonly thread: number }
  /** The port cannot be had; the shard ends. */
  | { readonly kind: "listenFailed"; readonly code: string; readonly message: string }
  /** New requests get the policy of this number from now on. */
  | { readonly kind: "policyTaken"; readonly number: number }
  /** The policy of this number cannot be compiled here; requests stay on the one before. */
  | { readonly kind: "policyFailed"; readonly number: number; readonly message: string }
  /** Calls of plugins that failed since the last such message. */
  | { readonly kind: "pluginFailures"; readonly failures: readonly PluginFailures[] }
  /** A model that the name table does not know. */
  | { readonly kind: "unknownName"; readonly name: string }
  /** A degraded state of the shard's holds, or is over. */
  | { readonly kind: "degraded"; readonly code: DegradedCode; readonly detail: string; readonly subject: string }
  | { readonly kind: "recovered"; readonly code: DegradedCode; readonly subject: string }
  /** For the log: requests that are over, in this order, or how many were not told one by one. */
  | { readonly kind: "outcomes"; readonly outcomes: readonly RequestOutcome[] }
  | { readonly kind: "suppressedOutcomes"; readonly counts: SuppressedOutcomes }
  | { readonly kind: "decision"; readonly record: DecisionRecord }
  | { readonly kind: "refusal"; readonly code: ErrorCode; readonly message: string }
  /** A proxy was told to replace a connection. */
  | { readonly kind: "connectionShed" }
  | { readonly kind: "handshakesFailed"; readonly report: FailureReport }
  /** Connections that were given up for what their client sent. */
  | { readonly kind: "connectionsFailed"; readonly report: FailureReport }
  | { readonly kind: "protocolError"; readonly message: string };

/** Failed calls of one plugin, of one cause. */
export interface PluginFailures {
  readonly plugin: string;
  readonly cause: FailureCause;
  readonly count: number;
  /** Of the first of them. */
  readonly message: string;
}
