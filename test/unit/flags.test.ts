/**
 * The picker's command line. The argument lists of templates are those that KServe and the charts of llm-d render; a
 * picker that does not take one of them does not start in that place.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/base/errors.ts";
import { FLAG_GROUPS, IDLE_FLAGS, type PickerFlags, parsePickerFlags } from "../../src/flags.ts";

function parse(args: readonly string[], environment: Record<string, string> = {}) {
  const commandLine = parsePickerFlags(args, environment);
  if (commandLine.kind === "help") throw new Error("help was not asked for");
  return commandLine;
}

function faultOf(...args: string[]): string {
  try {
    parse(args);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error(`${args.join(" ")} was accepted`);
}

const NAMES = FLAG_GROUPS.flatMap(({ flags }) => Object.values(flags).map(({ name }) => name));

describe("the picker's flags", () => {
  it("have the Go picker's names and defaults", () => {
    const { flags, warnings } = parse([]);
    expect(flags).toMatchObject({
      ...{ grpcPort: 9002, healthPort: 9003, metricsPort: 9090 },
      ...{ messageReceiveSizeMax: undefined, messageSendSizeMax: undefined },
      ...{ secureServing: true, certPath: "", enableCertReload: false, tlsCipherSuites: [] },
      ...{ healthOnGrpcPort: false, enableLeaderElection: false },
      ...{ poolName: "", poolNamespace: "default", poolGroup: "inference.networking.k8s.io" },
      ...{ endpointSelector: "", endpointTargetPorts: [] },
      ...{ disableSubsetFilter: false, emitEndpointScores: false },
      ...{ drainTimeoutMs: 30_000, configFile: "", configText: "", allowExperimentalPlugins: false },
      ...{ scrapeIntervalMs: 50, poolGaugesRefreshMs: 5_000, metricsStaleMs: 2_000 },
      ...{ metricsEndpointAuth: true, metricsCertDir: undefined, metricsClientCaFile: undefined },
      ...{ enablePprof: true, streamMetrics: false, tracing: true },
    });
    expect(warnings).toEqual([]);
  });

  const GO_NAMES = [
    ...["grpc-port", "grpc-health-port", "metrics-port", "grpc-max-recv-msg-size", "grpc-max-send-msg-size"],
    ...["secure-serving", "cert-path", "enable-cert-reload", "tls-min-version", "tls-cipher-suites", "health-checking"],
    ...["pool-name", "pool-namespace", "pool-group", "endpoint-selector", "endpoint-target-ports"],
    ...["disable-endpoint-subset-filter", "emit-endpoint-scores", "ha-enable-leader-election", "drain-timeout"],
    ...["config-file", "config-text", "allow-experimental-plugins", "refresh-metrics-interval"],
    ...["refresh-prometheus-metrics-interval", "metrics-staleness-threshold", "metrics-endpoint-auth"],
    ...["metrics-cert-dir", "metrics-client-ca-file", "enable-pprof", "enable-grpc-stream-metrics", "tracing"],
    ...["v", "zap-devel", "zap-encoder", "zap-log-level", "zap-stacktrace-level", "zap-time-encoding"],
  ];
  it.each(GO_NAMES)("--%s is one of them", (name) => {
    expect(NAMES).toContain(name);
  });

  it("have each name once", () => {
    expect(NAMES).toHaveLength(new Set(NAMES).size);
  });

  it("a misspelt one is refused with the right one", () => {
    expect(faultOf("--grpc-prot=9002")).toBe("there is no flag --grpc-prot; did you mean --grpc-port?");
  });

  it("help shows every one of them, in groups", () => {
    const help = parsePickerFlags(["--help"], {});
    const text = help.kind === "help" ? help.text : "";
    for (const name of NAMES) expect(text).toMatch(new RegExp(`^  --?${name}\\b`, "m"));
    for (const { title } of FLAG_GROUPS) expect(text).toContain(`\n${title}:\n`);
  });
});

describe("argument lists of templates", () => {
  const KSERVE_018 = ["--pool-name", "X", "--pool-namespace", "N", "--zap-encoder", "json"];
  const KSERVE_018_PORTS = ["--grpc-port", "9002", "--grpc-health-port", "9003"];
  const POOL = { poolName: "X", poolNamespace: "N", grpcPort: 9002, healthPort: 9003 };
  const CASES: readonly {
    name: string;
    args: readonly string[];
    flags: Partial<PickerFlags>;
    warnings?: readonly RegExp[];
  }[] = [
    {
      name: "KServe 0.16.0-rc0",
      args: [
        ...["--poolName", "X", "--poolNamespace", "N", "--zap-encoder", "json", "--grpcPort", "9002"],
        ...["--grpcHealthPort", "9003", "--secureServing", "--modelServerMetricsScheme", "https"],
        ...["--modelServerMetricsHttpsInsecureSkipVerify", "--certPath", "/etc/ssl/certs"],
      ],
      flags: {
        ...POOL,
        secureServing: true,
        certPath: "/etc/ssl/certs",
        legacyMetrics: { modelServerMetricsScheme: "https", modelServerMetricsHttpsInsecureSkipVerify: true },
      },
      warnings: [/^--model-server-metrics-scheme is/, /^--model-server-metrics-https-insecure-skip-verify is/],
    },
    {
      name: "KServe 0.16.0",
      args: [
        ...["--poolName", "X", "--poolNamespace", "N", "--zap-encoder", "json"],
        ...["--grpcPort", "9002", "--grpcHealthPort", "9003"],
      ],
      flags: POOL,
    },
    {
      name: "KServe 0.17",
      args: [...KSERVE_018, ...KSERVE_018_PORTS, ...["--kv-cache-usage-percentage-metric", "vllm:kv_cache_usage_perc"]],
      flags: { ...POOL, legacyMetrics: { kvCacheUsagePercentageMetric: "vllm:kv_cache_usage_perc" } },
      warnings: [/^--kv-cache-usage-percentage-metric is a flag of older pickers\. Now: engineConfigs/],
    },
    {
      name: "KServe 0.18 and later, TLS off",
      args: [...KSERVE_018, ...KSERVE_018_PORTS, "", "", "", ""],
      flags: { ...POOL, secureServing: true, certPath: "", legacyMetrics: {} },
    },
    {
      name: "KServe 0.18 and later, TLS on",
      args: [
        ...KSERVE_018,
        ...KSERVE_018_PORTS,
        ...["--enable-cert-reload=true", "--secure-serving=true", "--model-server-metrics-scheme=https"],
        "--cert-path=/var/run/kserve/tls",
      ],
      flags: { ...POOL, enableCertReload: true, secureServing: true, certPath: "/var/run/kserve/tls" },
      warnings: [/^--model-server-metrics-scheme is/],
    },
    {
      name: "KServe's controller, several replicas and tracing",
      args: [
        ...KSERVE_018,
        ...KSERVE_018_PORTS,
        ...["--ha-enable-leader-election", "--config-text", '{"plugins":[]}', "--tracing=true"],
      ],
      flags: { ...POOL, enableLeaderElection: true, configText: '{"plugins":[]}', tracing: true },
      warnings: [/--ha-enable-leader-election/, /^/],
    },
    ...["--config-text", "-config-text", "--configText", "-configText"].map((flag) => ({
      name: `user templates: ${flag}`,
      args: [...KSERVE_018, flag, "plugins: []"],
      flags: { configText: "plugins: []" },
      warnings: [/^/],
    })),
    ...["--config-file", "-config-file", "--configFile", "-configFile"].map((flag) => ({
      name: `user templates: ${flag}`,
      args: [...KSERVE_018, flag, "/etc/epp/config.yaml"],
      flags: { configFile: "/etc/epp/config.yaml" },
      warnings: [/^/],
    })),
    {
      name: "KServe's gpt-oss sample",
      args: [...KSERVE_018, "--metrics-endpoint-auth=false", "--secure-serving", "--cert-path", "/etc/ssl/certs"],
      flags: { metricsEndpointAuth: false, secureServing: true, certPath: "/etc/ssl/certs" },
    },
    {
      name: "llm-d's chart, with a pool",
      args: [
        ...["--pool-name", "R", "--pool-namespace", "N", "--pool-group", "inference.networking.k8s.io"],
        ...["--zap-encoder", "json", "--config-file", "/config/default-plugins.yaml", "--grpc-health-port", "9003"],
        ...["--v=4", "--tracing=false", "--metrics-endpoint-auth=false"],
      ],
      flags: { poolName: "R", healthPort: 9003, tracing: false, configFile: "/config/default-plugins.yaml" },
      warnings: [/^/],
    },
    {
      name: "llm-d's chart, without a pool",
      args: [
        ...["--endpoint-selector", "app=vllm,role=decode", "--endpoint-target-ports", "8000"],
        ...["--zap-encoder", "json", "--config-file", "/config/default-plugins.yaml", "--ha-enable-leader-election"],
      ],
      flags: { endpointSelector: "app=vllm,role=decode", endpointTargetPorts: [8000], enableLeaderElection: true },
      warnings: [/--endpoint-selector, --ha-enable-leader-election/, /^/],
    },
    {
      name: "llm-d's development manifests",
      args: [
        ...["--pool-name", "X", "--v", "4", "--config-file", "/etc/epp/epp-config.yaml"],
        ...["--allow-experimental-plugins=true", "--metrics-endpoint-auth=false", "--ha-enable-leader-election=false"],
      ],
      flags: { allowExperimentalPlugins: true, enableLeaderElection: false, metricsEndpointAuth: false },
      warnings: [/^/],
    },
    {
      name: "GIE 0.5 extras",
      args: ["--poolName", "X", "--destinationEndpointHintKey", "k", "--destinationEndpointHintMetadataNamespace", "n"],
      flags: { poolName: "X", legacyMetrics: {} },
      warnings: [/^--destination-endpoint-hint-key is/, /^--destination-endpoint-hint-metadata-namespace is/],
    },
    {
      name: "a benchmark beside the Go picker",
      args: [
        ...["--pool-name", "bench", "--secure-serving=false", "--tracing=false", "--enable-pprof=false"],
        ...["--health-checking=true", "-v", "1", "--refresh-metrics-interval=1s"],
      ],
      flags: { secureServing: false, tracing: false, enablePprof: false, healthOnGrpcPort: true },
      warnings: [],
    },
  ];

  it.each(CASES)("$name", ({ args, flags, warnings = [] }) => {
    const commandLine = parse(args);
    expect(commandLine.flags).toMatchObject(flags);
    const idle = /^these flags are known and do nothing in this version/;
    const said = commandLine.warnings.filter((text) => !idle.test(text));
    const wanted = warnings.filter(({ source }) => source !== "^");
    expect(said).toHaveLength(wanted.length);
    for (const [index, pattern] of wanted.entries()) expect(said[index]).toMatch(pattern);
  });
});

describe("flags that contradict each other are refused:", () => {
  it.each([
    [["--config-file=a", "--config-text=b"], "--config-file and --config-text contradict each other"],
    [["--pool-name=a", "--endpoint-selector=b"], "--pool-name and --endpoint-selector contradict each other"],
    [["--endpoint-selector=app=vllm"], "--endpoint-selector needs the pods' ports"],
    [["--endpoint-target-ports=8000"], "--endpoint-target-ports needs the pods' labels"],
    [["--metrics-client-ca-file=a"], "--metrics-client-ca-file needs a certificate for the metrics port"],
    [["--metrics-cert-dir=a", "--metrics-endpoint-auth=false"], "--metrics-cert-dir needs to know who may read"],
    [["--log-level=warn", "--zap-log-level=info"], "--log-level and --zap-log-level contradict each other"],
    [["--drain-notice=20s", "--drain-timeout=10s"], "--drain-notice is a part of --drain-timeout"],
  ])("%j", (args, fault) => {
    expect(faultOf(...args)).toContain(fault);
  });
});

describe("flags that do nothing where they stand are named in a warning:", () => {
  it.each([
    [["--cert-path=a", "--secure-serving=false"], "--cert-path does nothing with --secure-serving=false"],
    [["--enable-cert-reload"], "--enable-cert-reload does nothing without --cert-path"],
    [
      ["--tls-min-version=1.3", "--tls-cipher-suites=TLS_AES_128_GCM_SHA256"],
      "--tls-cipher-suites does nothing with TLS 1.3 alone",
    ],
    [["--metrics-endpoint-auth"], "without Kubernetes these flags do nothing: --metrics-endpoint-auth"],
    [["--pool-group=other"], "without Kubernetes these flags do nothing: --pool-group"],
  ])("%j", (args, warning) => {
    expect(parse(args).warnings).toEqual([expect.stringContaining(warning)]);
  });

  it("those without a use yet are flags, and all others are used by the program", () => {
    for (const name of IDLE_FLAGS) expect(NAMES).toContain(name);
    const program = ["main", "epp", "flags"].map((file) => readFileSync(`src/${file}.ts`, "utf8")).join("\n");
    const rows = FLAG_GROUPS.filter(({ title }) => !/older|Logs|Kubernetes/.test(title)).flatMap(({ flags }) =>
      Object.entries(flags),
    );
    const unused = rows.filter(([key, { name }]) => !IDLE_FLAGS.includes(name) && !program.includes(key));
    expect(unused.map(([, { name }]) => name)).toEqual([]);
  });
});

describe("the namespace", () => {
  it("is the flag's, else the environment's, else default", () => {
    const environment = { NAMESPACE: "from-environment" };
    expect(parse(["--pool-namespace=a"], environment).flags.poolNamespace).toBe("a");
    expect(parse([], environment).flags.poolNamespace).toBe("from-environment");
    expect(parse([]).flags.poolNamespace).toBe("default");
  });
});

describe("what is logged", () => {
  const DEFAULT = {
    ...{ level: "info", logsRequests: true, encoder: "json", timeEncoding: "iso8601", stacktraceLevel: "warn" },
  };
  it.each([
    { args: [], log: {} },
    { args: ["-v=0"], log: { logsRequests: false } },
    { args: ["-v", "1"], log: { logsRequests: false } },
    { args: ["-v=2"], log: {} },
    { args: ["-v=3"], log: { level: "verbose" } },
    { args: ["--v=4"], log: { level: "debug" } },
    { args: ["-v=5"], log: { level: "trace" } },
    { args: ["-v=10"], log: { level: "trace" } },
    { args: ["--zap-log-level=debug"], log: { level: "debug" } },
    { args: ["--zap-log-level=error", "-v=5"], log: { level: "error", logsRequests: false } },
    { args: ["--zap-log-level=panic"], log: { level: "fatal", logsRequests: false } },
    { args: ["--zap-log-level=5", "-v=0"], log: { level: "trace" } },
    { args: ["--zap-log-level=1"], log: { logsRequests: false } },
    { args: ["--log-level=warn"], log: { level: "warn", logsRequests: false } },
    { args: ["--log-level=trace", "-v=0"], log: { level: "trace" } },
    { args: ["--zap-encoder=console"], log: { encoder: "console" } },
    { args: ["--zap-time-encoding=epoch"], log: { timeEncoding: "epoch" } },
    { args: ["--zap-devel=false"], log: { stacktraceLevel: "error" } },
    { args: ["--zap-devel=false", "--zap-stacktrace-level=info"], log: { stacktraceLevel: "info" } },
  ])("with $args", ({ args, log }) => {
    expect(parse(args).flags.log).toEqual({ ...DEFAULT, ...log });
  });

  it.each(["loud", "0", "-1"])("a level of %j is refused with those that are known", (text) => {
    expect(faultOf(`--zap-log-level=${text}`)).toBe(
      `--zap-log-level: "${text}" is none of debug, info, warn, error, panic and no verbosity from 1 on`,
    );
  });
});

describe("the time to take requests while ending", () => {
  it("is at most half of the whole time where only that was said", () => {
    expect(parse(["--drain-timeout=100ms"]).flags).toMatchObject({ drainTimeoutMs: 100, drainNoticeMs: 50 });
    expect(parse(["--drain-timeout=10s", "--drain-notice=10s"]).flags.drainNoticeMs).toBe(10_000);
    expect(parse(["--drain-timeout=1h"]).flags.drainNoticeMs).toBe(5_000);
  });
});
