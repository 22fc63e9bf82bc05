import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { OutcomeLog } from "../../../src/telemetry/outcome-log.ts";
import type { RequestOutcome } from "../../../src/telemetry/outcome-sampler.ts";

const SERVED: RequestOutcome = {
  requestId: "5f0c",
  model: "llama",
  slot: 1,
  cause: "natural",
  refusal: undefined,
  status: 200,
  durationMs: 12.3456,
  firstByteMs: 4.001,
  requestSize: 99,
  promptTokens: 10,
  cachedTokens: 8,
  completionTokens: 5,
};

function write(outcome: Partial<RequestOutcome>): Record<string, unknown> {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ base: null, timestamp: false }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const log = new OutcomeLog({ logger, endpointName: (slot) => (slot === 1 ? "default/sim-1" : undefined) });
  log.write(2, { ...SERVED, ...outcome });
  expect(lines).toHaveLength(1);
  return lines[0] ?? {};
}

const INFO = 30;
const ERROR = 50;

describe("outcome log", () => {
  it("a served request is one info line with who, where, how long and how much", () => {
    expect(write({})).toEqual({
      level: INFO,
      logger: "shard-2",
      requestId: "5f0c",
      model: "llama",
      endpoint: "default/sim-1",
      cause: "natural",
      status: 200,
      durationMs: 12.35,
      firstByteMs: 4,
      requestSize: 99,
      promptTokens: 10,
      cachedTokens: 8,
      completionTokens: 5,
      msg: "request served",
    });
  });

  it.each([
    { outcome: { status: 500 }, msg: "request failed at the endpoint" },
    { outcome: { cause: "client-disconnect" }, msg: "request given up by the client" },
    { outcome: { cause: "error" }, msg: "request ended before its response did" },
    {
      outcome: { cause: "refused", refusal: { code: "BadRequest", message: "no model" }, status: 400 },
      msg: "request refused",
    },
  ] as const)("$msg: an info line", ({ outcome, msg }) => {
    expect(write(outcome)).toMatchObject({ level: INFO, msg });
  });

  it("a refusal has code and reason, and no endpoint", () => {
    const refusal = { code: "ServiceUnavailable", message: "nobody there" } as const;
    const line = write({ cause: "refused", refusal, slot: undefined, status: 503 });
    expect(line).toMatchObject({ code: "ServiceUnavailable", reason: "nobody there", status: 503 });
    expect(line).not.toHaveProperty("endpoint");
    expect(line).not.toHaveProperty("refusal");
  });

  it("a defect of the picker is an error line", () => {
    const refusal = { code: "Internal", message: "slot 7 is not there" } as const;
    expect(write({ cause: "refused", refusal, status: 500 })).toMatchObject({ level: ERROR, code: "Internal" });
  });

  it("what the client chose is cut", () => {
    const line = write({ requestId: "i".repeat(5_000), model: "m".repeat(5_000) });
    expect(line).toMatchObject({ requestId: `${"i".repeat(200)}…`, model: `${"m".repeat(200)}…` });
  });
});
