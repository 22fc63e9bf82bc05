/**
 * The degraded states: everything that makes the picker do less than it could while it goes on serving. One table gives
 * each code its severity, meaning and remedy; `docs/health.md` is made from it. `HealthDetails` keeps which of them
 * hold.
 */

/**
 * `error`: requests fail or go astray. `warning`: decisions are worse than they could be. `notice`: nothing is wrong,
 * but not all that was asked for is there.
 */
export type Severity = "error" | "warning" | "notice";

export type DegradedCode =
  | "no-endpoints"
  | "no-endpoint-reachable"
  | "endpoints-unreachable"
  | "metrics-stale"
  | "endpoints-file-bad"
  | "objectives-file-bad"
  | "config-bad"
  | "certificate-reload-failed"
  | "certificate-expiring"
  | "shard-down"
  | "fewer-shards"
  | "thread-silent"
  | "index-writer-down"
  | "prefix-index-emptied"
  | "policy-waiting"
  | "plugin-resting"
  | "flow-control-inactive"
  | "streams-end-early"
  | "response-bodies-hidden"
  | "response-bodies-shown"
  | "slabs-exhausted"
  | "name-table-full"
  | "series-table-full"
  | "spans-lost"
  | "log-lines-lost";

export interface DegradedStateKind {
  readonly severity: Severity;
  /** What it means for requests. */
  readonly meaning: string;
  /** What an operator does. */
  readonly remedy: string;
}

/** Most urgent first within an area: endpoints, files, threads, plugins, tables. */
export const DEGRADED_STATES: Readonly<Record<DegradedCode, DegradedStateKind>> = {
  "no-endpoints": {
    severity: "error",
    meaning: "The pool has no endpoint: every request is refused with 503.",
    remedy: "Add endpoints to the file or the pool's selector; `/debug/endpoints` shows what is known.",
  },
  "no-endpoint-reachable": {
    severity: "error",
    meaning: "No endpoint's metrics can be had: all of them stay in, picked without knowing their load.",
    remedy: "Look at the reasons in `/debug/endpoints`; check the network and the ports of the model servers.",
  },
  "endpoints-unreachable": {
    severity: "warning",
    meaning: "Some endpoints cannot be scraped and take no requests until they can.",
    remedy: "Look at `/debug/endpoints` for which and why; restart or remove those model servers.",
  },
  "metrics-stale": {
    severity: "warning",
    meaning: "Scraped values of some endpoints are older than the staleness threshold and count as unknown.",
    remedy: "Model servers answer scrapes too slowly, or the control thread is short of CPU; see its CPU profile.",
  },
  "endpoints-file-bad": {
    severity: "warning",
    meaning: "The endpoints file was changed and cannot be used: the fleet stays as it was.",
    remedy: "Mend the file at the line that the detail names; it is read again when it changes.",
  },
  "objectives-file-bad": {
    severity: "warning",
    meaning: "The objectives file was changed and cannot be used: priorities stay as they were.",
    remedy: "Mend the file at the line that the detail names; it is read again when it changes.",
  },
  "config-bad": {
    severity: "warning",
    meaning: "The configuration was changed and cannot be used: requests are decided by the one before.",
    remedy: "Mend the file at the line that the detail names; `/debug/config` shows what is in force.",
  },
  "certificate-expiring": {
    severity: "warning",
    meaning: "The certificate of ext_proc expires within a day, or has expired: proxies that check it turn away.",
    remedy: "Put a new one into --cert-path, and start with --enable-cert-reload so that it is used without a restart.",
  },
  "certificate-reload-failed": {
    severity: "warning",
    meaning: "A certificate was changed and cannot be used: the one before is shown until it expires.",
    remedy: "Check that tls.crt and tls.key belong together and are complete; they are read again when they change.",
  },
  "shard-down": {
    severity: "error",
    meaning: "A thread that serves requests has died: its streams were cut, its charges were returned.",
    remedy: "It is started again by itself. When it keeps dying, the log line says why: report it.",
  },
  "thread-silent": {
    severity: "error",
    meaning: "A thread runs and does not answer: a shard that is stuck serves nobody, and looks alive to proxies.",
    remedy: "A plugin of your own that never returns? Restart the picker without it. A heap snapshot ends by itself.",
  },
  "fewer-shards": {
    severity: "notice",
    meaning: "Fewer threads serve requests than were asked for: Node before 22.12 cannot share a port.",
    remedy: "Run the picker on Node 22.12 or later, or ask for one shard.",
  },
  "index-writer-down": {
    severity: "warning",
    meaning: "The thread that records prefix hits has died: picks are made on an index that learns nothing.",
    remedy: "It is started again by itself. When it keeps dying, the log line says why: report it.",
  },
  "prefix-index-emptied": {
    severity: "warning",
    meaning:
      "The prefix index began empty a short while ago and is being learnt anew: fewer prompts find their prefix.",
    remedy: "Wait: it ends by itself. The thread that died just before is in the log.",
  },
  "policy-waiting": {
    severity: "notice",
    meaning: "A changed configuration waits: requests in flight are still on all earlier ones.",
    remedy: "It is put in force by itself once some of them have ended; change the configuration less often.",
  },
  "plugin-resting": {
    severity: "warning",
    meaning: "A plugin threw or took too long and is left out for a while; decisions are made without it.",
    remedy: "Mend the plugin that the detail names; `/debug/plugins/state` shows what it does.",
  },
  "flow-control-inactive": {
    severity: "notice",
    meaning: "The configuration asks for flow control, which this version does not have: requests are not queued.",
    remedy: "Remove the feature gate and its section, or run a version that has it.",
  },
  "streams-end-early": {
    severity: "warning",
    meaning: "A proxy ends streams where responses begin: what is in flight is counted too low, and load is misjudged.",
    remedy: "Give the proxy `response_trailer_mode: SEND` (`docs/proxies.md`).",
  },
  "response-bodies-hidden": {
    severity: "notice",
    meaning:
      "A proxy does not show bodies of responses: metrics of tokens and of times to and between them stay empty.",
    remedy:
      "Give the proxy `response_body_mode: FULL_DUPLEX_STREAMED`, or write `responseBody: skip` (`docs/proxies.md`).",
  },
  "response-bodies-shown": {
    severity: "notice",
    meaning: "A proxy shows bodies of responses although `responseBody` is `skip`: each piece is passed on, unread.",
    remedy: "Give the proxy `response_body_mode: NONE` and `response_trailer_mode: SEND` (`docs/proxies.md`).",
  },
  "slabs-exhausted": {
    severity: "notice",
    meaning: "More bytes wait for an answer than a shard has slabs for: further ones are kept in dearer memory.",
    remedy: "Run more shards, or more pickers; see whether proxies read slowly or large bodies arrive slowly.",
  },
  "name-table-full": {
    severity: "notice",
    meaning: "More model names were seen than are told apart: further ones count as other in metrics.",
    remedy: "Find the client that makes up model names; a restart begins with an empty table.",
  },
  "series-table-full": {
    severity: "notice",
    meaning: "More combinations of labels were seen than are told apart: further ones count as other in metrics.",
    remedy: "Find the client that makes up models or fairness ids; a restart begins with an empty table.",
  },
  "spans-lost": {
    severity: "notice",
    meaning: "Spans of traces could not be handed to their collector and are gone; requests do not notice.",
    remedy: "Check `OTEL_EXPORTER_OTLP_ENDPOINT` and the collector behind it, or switch tracing off.",
  },
  "log-lines-lost": {
    severity: "notice",
    meaning: "Log lines come faster than they are taken and are dropped.",
    remedy: "Raise the log level, or see what holds up standard error.",
  },
};
