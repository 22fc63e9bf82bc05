/**
 * What the log line of a request costs its shard: its part of a message to the control thread, or, under load, a
 * comparison and a count. The baseline writes the line on the shard itself, by the same logger.
 */
import { openSync } from "node:fs";
import { devNull } from "node:os";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { ManualClock, systemClock } from "../../src/base/clock.ts";
import { createLogger, type Logger } from "../../src/telemetry/logger.ts";
import { OutcomeLog } from "../../src/telemetry/outcome-log.ts";
import { OutcomeSampler, type RequestOutcome } from "../../src/telemetry/outcome-sampler.ts";
import type { MicroBench, MicroBenchCase } from "../harness.ts";

const OUTCOME: RequestOutcome = {
  requestId: "5f0c9d1e-7c1f-4f7e-9d55-2f1c6a0b3e11",
  model: "llama-70b",
  slot: 3,
  cause: "natural",
  refusal: undefined,
  status: 200,
  durationMs: 1_234.56,
  firstByteMs: 45.6,
  requestSize: 54_321,
  promptTokens: 1_234,
  cachedTokens: 1_024,
  completionTokens: 256,
};

/** Lines of one message, at 20 per second and shard. */
const LINES_PER_MESSAGE = 2;
/** Requests that a burst lets pass, and more than enough of them. */
const REQUESTS_BEFORE = 1_000;

export const requestLinesBench: MicroBench = {
  name: "request-lines",
  unit: "request",
  cases: () => [toldCase(), countedCase()],
};

function toldCase(): MicroBenchCase {
  const port = takenPort();
  const outcomes = Array.from({ length: LINES_PER_MESSAGE }, () => OUTCOME);
  return {
    label: "a request with a line",
    operationsPerCall: LINES_PER_MESSAGE,
    kernel: () => port.postMessage({ kind: "outcomes", outcomes }),
    ...writtenHere(LINES_PER_MESSAGE),
    check() {
      // What arrives makes the same line.
      const [direct, arrived] = [OUTCOME, structuredClone(OUTCOME)].map(lineOf);
      if (direct !== arrived) throw new Error(`${arrived} instead of ${direct}`);
      return String(direct);
    },
  };
}

function countedCase(): MicroBenchCase {
  let told = 0;
  // Time stands still: what the burst lets pass is all that passes.
  const reports = { onOutcomes: () => undefined, onSuppressed: () => undefined };
  const sampler = new OutcomeSampler(new ManualClock(), reports);
  const tell = (): RequestOutcome => {
    told++;
    return OUTCOME;
  };
  const add = (): void => sampler.add(OUTCOME, tell);
  for (let request = 0; request < REQUESTS_BEFORE; request++) add();
  const toldBefore = told;
  return {
    label: "a request that is counted only",
    kernel: add,
    ...writtenHere(1),
    check() {
      add();
      if (told !== toldBefore) throw new Error("a request was told that was over the bound");
      return `${toldBefore} of ${REQUESTS_BEFORE} told`;
    },
  };
}

function writtenHere(lines: number): Pick<MicroBenchCase, "baseline" | "baselineName"> {
  const logger = createLogger({ level: "info", destination: openSync(devNull, "w"), clock: systemClock });
  const log = new OutcomeLog({ logger, endpointName: () => "default/server-3" });
  const baseline = (): void => {
    for (let line = 0; line < lines; line++) log.write(0, OUTCOME);
  };
  return { baseline, baselineName: "written on the shard" };
}

/** A port whose other end takes messages on a thread of its own. */
function takenPort(): MessagePort {
  const { port1, port2 } = new MessageChannel();
  const source = 'require("node:worker_threads").workerData.port.on("message", () => undefined);';
  new Worker(source, { eval: true, workerData: { port: port2 }, transferList: [port2] }).unref();
  port1.unref();
  return port1;
}

function lineOf(outcome: RequestOutcome): string {
  const lines: string[] = [];
  const logger = { info: (fields: object, message: string) => lines.push(JSON.stringify({ ...fields, message })) };
  new OutcomeLog({ logger: logger as unknown as Logger, endpointName: () => "default/server-3" }).write(0, outcome);
  return lines.join("\n");
}
