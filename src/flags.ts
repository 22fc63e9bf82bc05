/** The picker's flags, once: parsing, `--help`, the errors and `docs/flags.md` come from this table. */
import { DRAIN_NOTICE_MS, DRAIN_TIMEOUT_MS, REQUEST_BODY_SIZE_MAX, SCRAPE_INTERVAL_MS } from "./config/defaults.ts";
import type { ParserType } from "./parsing/parser.ts";
import { DEFAULT_PARSER_TYPES, PARSER_TYPES } from "./parsing/parsers.ts";
import {
  choiceFlag,
  durationFlag,
  type FlagDeclaration,
  integerFlag,
  listFlag,
  portFlag,
  switchFlag,
  textFlag,
} from "./platform/flags.ts";
import type { LoggerOptions } from "./telemetry/logger.ts";
import { layout } from "./wasm/layout.ts";

/** Value of `--shards` that leaves the number to the machine. */
export const SHARDS_AUTOMATIC = 0;

/** The flags' values. Durations in ms, sizes in bytes. */
export interface PickerFlags {
  readonly endpointsFile: string;
  readonly host: string;
  readonly grpcPort: number;
  readonly healthPort: number;
  readonly metricsPort: number;
  readonly scrapeIntervalMs: number;
  readonly shardCount: number;
  readonly requestBodySizeMax: number;
  readonly parserTypes: readonly ParserType[];
  readonly disableSubsetFilter: boolean;
  readonly emitEndpointScores: boolean;
  readonly drainNoticeMs: number;
  readonly drainTimeoutMs: number;
  readonly logDecisions: boolean;
  readonly logLevel: LoggerOptions["level"];
}

export const FLAGS: { readonly [Key in keyof PickerFlags]: FlagDeclaration<PickerFlags[Key]> } = {
  endpointsFile: textFlag("endpoints-file", "path", "YAML or JSON file that lists the model servers. Required.", ""),
  host: textFlag("host", "address", "Address to listen on.", "0.0.0.0"),
  grpcPort: portFlag("grpc-port", "Port of ext_proc.", 9002),
  healthPort: portFlag("grpc-health-port", "Port of gRPC health.", 9003),
  metricsPort: portFlag("metrics-port", "Port of Prometheus metrics.", 9090),
  scrapeIntervalMs: durationFlag({
    name: "refresh-metrics-interval",
    help: "Time between two scrapes of a model server; less than 50ms is raised to 50ms.",
    byDefaultMs: SCRAPE_INTERVAL_MS,
    minMs: SCRAPE_INTERVAL_MS,
  }),
  shardCount: integerFlag({
    name: "shards",
    valueName: "count",
    help: "Threads that serve requests; 0 takes all cores but one. More than 1 needs Node 22.12.",
    byDefault: SHARDS_AUTOMATIC,
    min: 0,
    max: layout.SHARDS_MAX,
  }),
  requestBodySizeMax: integerFlag({
    name: "request-body-size-max",
    valueName: "bytes",
    help: "A larger request body is refused with 413.",
    byDefault: REQUEST_BODY_SIZE_MAX,
    min: 1024,
    max: 2 ** 31,
  }),
  parserTypes: listFlag(
    "parsers",
    "Request APIs that are read; a path is taken by the parser that claims the longest end of it.",
    PARSER_TYPES,
    DEFAULT_PARSER_TYPES,
  ),
  disableSubsetFilter: switchFlag(
    "disable-endpoint-subset-filter",
    "Let requests go to any endpoint, also where the proxy names those that they may go to.",
  ),
  emitEndpointScores: switchFlag(
    "emit-endpoint-scores",
    "Tell the proxy every candidate's score, in metadata beside the destination.",
  ),
  drainNoticeMs: durationFlag({
    name: "drain-notice",
    help: "Time in which requests are still taken when the picker is told to end and its health already says so.",
    byDefaultMs: DRAIN_NOTICE_MS,
    minMs: 0,
  }),
  drainTimeoutMs: durationFlag({
    name: "drain-timeout",
    help: "Time that open streams get when the picker ends, after the notice.",
    byDefaultMs: DRAIN_TIMEOUT_MS,
    minMs: 0,
  }),
  logDecisions: switchFlag("log-decisions", "Print one line per decision to standard output."),
  logLevel: choiceFlag("log-level", "Least severe log lines that are written.", [
    "info",
    "debug",
    "warn",
    "error",
    "silent",
  ]),
};
