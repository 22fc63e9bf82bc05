import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { ManualClock } from "../../src/base/clock.ts";
import { EndpointRegistry } from "../../src/endpoints/registry.ts";
import { ShardReportsTaker } from "../../src/shard-reports.ts";
import type { FromShard } from "../../src/shards/messages.ts";
import { newControlCounters } from "../../src/telemetry/control-counters.ts";
import { HealthDetails } from "../../src/telemetry/health-details.ts";
import { EndpointColumns } from "../../src/wasm/endpoint-columns.ts";
import { layout } from "../../src/wasm/layout.ts";
import { NameTable } from "../../src/wasm/name-table.ts";
import { testKernel } from "../support/kernel.ts";

interface Bed {
  readonly taker: ShardReportsTaker;
  readonly health: HealthDetails;
  readonly names: NameTable;
  readonly control: ReturnType<typeof newControlCounters>;
  readonly logLines: Record<string, unknown>[];
  readonly decisionLines: string[];
  readonly policyMessages: [shard: number, message: FromShard][];
  readonly shedding: number[];
}

function setUp(): Bed {
  const { memory, kernel } = testKernel("release", { shardCount: 2 });
  const logLines: Record<string, unknown>[] = [];
  const logger = pino({ base: null }, { write: (line: string) => logLines.push(JSON.parse(line)) });
  const health = new HealthDetails({ clock: new ManualClock(), logger: pino({ level: "silent" }) });
  const names = new NameTable(memory, kernel);
  const control = newControlCounters();
  const endpoints = new EndpointRegistry(new EndpointColumns(memory), {
    requestClear: () => undefined,
    isCleared: () => true,
    inFlightRequests: () => 0,
  });
  endpoints.replaceAll([{ name: "a", namespace: "default", address: "10.0.0.1", port: 1, labels: {} }]);
  const decisionLines: string[] = [];
  const policyMessages: [number, FromShard][] = [];
  const policies = {
    onMessage: (shard: number, message: FromShard): void => void policyMessages.push([shard, message]),
    policyOf: () => undefined,
  };
  const onDecisionLine = (line: string): void => void decisionLines.push(line);
  const shedding: number[] = [];
  const onConnectionShed = (shard: number): void => void shedding.push(shard);
  const listeners = { onDecisionLine, onConnectionShed };
  const options = { shardCount: 2, logger, degraded: health, control, names, policies, endpoints, ...listeners };
  const taker = new ShardReportsTaker(options);
  return { taker, health, names, control, logLines, decisionLines, policyMessages, shedding };
}

const rows = (health: HealthDetails): string[] => health.list().map(({ code, subject }) => `${code} of ${subject}`);

describe("what shards report", () => {
  it("a state of a shard's has its name, and goes when the shard says so", () => {
    const { taker, health } = setUp();
    taker.onMessage(1, { kind: "degraded", code: "plugin-resting", detail: "threw", subject: "own" });
    expect(rows(health)).toEqual(["plugin-resting of shard 1: own"]);
    taker.onMessage(1, { kind: "recovered", code: "plugin-resting", subject: "own" });
    expect(rows(health)).toEqual([]);
  });

  it("a connection that is to be replaced is told on, with the shard", () => {
    const { taker, shedding } = setUp();
    taker.onMessage(1, { kind: "connectionShed" });
    expect(shedding).toEqual([1]);
  });

  it("a shard that dies takes its states with it, and is down until it listens again", () => {
    const { taker, health, logLines } = setUp();
    taker.onMessage(0, { kind: "degraded", code: "plugin-resting", detail: "threw", subject: "own" });
    taker.onMessage(1, { kind: "degraded", code: "plugin-resting", detail: "threw", subject: "own" });
    taker.onDeath(0, "out of memory", new Error("out of memory"));
    expect(rows(health)).toEqual(["shard-down of shard 0", "plugin-resting of shard 1: own"]);
    expect(logLines).toMatchObject([{ level: 50, msg: "shard 0 died" }]);
    taker.onMessage(0, { kind: "listening", port: 1, thread: 1 });
    expect(rows(health)).toEqual(["plugin-resting of shard 1: own"]);
  });

  it("an unknown model gets a number; when all are given, that is a state", () => {
    const { taker, health, names } = setUp();
    taker.onMessage(0, { kind: "unknownName", name: "llama" });
    expect(names.names).toEqual(["other", "llama"]);
    for (let model = 2; model < layout.NAMES_MAX; model++)
      taker.onMessage(0, { kind: "unknownName", name: `m${model}` });
    expect(rows(health)).toEqual(["name-table-full of "]);
  });

  it("a request that is over becomes a line with the endpoint's name, what is suppressed one with numbers", () => {
    const { taker, logLines } = setUp();
    taker.onMessage(1, {
      kind: "outcomes",
      outcomes: [
        {
          requestId: "r",
          model: "llama",
          slot: 0,
          cause: "natural",
          refusal: undefined,
          status: 200,
          durationMs: 1,
          firstByteMs: undefined,
          requestSize: 1,
          promptTokens: undefined,
          cachedTokens: undefined,
          completionTokens: undefined,
        },
      ],
    });
    taker.onMessage(1, { kind: "suppressedOutcomes", counts: { successes: 5, failures: 2 } });
    expect(logLines).toMatchObject([
      { logger: "shard-1", endpoint: "default/a", msg: "request served" },
      { logger: "shard-1", successes: 5, failures: 2 },
    ]);
  });

  it("what is about policies goes to them, with the shard's number", () => {
    const { taker, policyMessages } = setUp();
    const messages: FromShard[] = [
      { kind: "policyTaken", number: 3 },
      { kind: "policyFailed", number: 3, message: "no" },
    ];
    for (const message of messages) taker.onMessage(1, message);
    expect(policyMessages).toEqual(messages.map((message) => [1, message]));
  });

  it("refusals and broken streams are lines of the decision log", () => {
    const { taker, decisionLines } = setUp();
    taker.onMessage(0, { kind: "refusal", code: "BadRequest", message: "no model" });
    taker.onMessage(0, { kind: "protocolError", message: "body before headers" });
    expect(decisionLines).toEqual(["refused with BadRequest: no model", "stream ended: body before headers"]);
  });
});
