import { afterEach, expect, it } from "vitest";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { closeEpps, startTestEpp } from "../support/epp.ts";
import { ExtProcClient } from "../support/ext-proc-client.ts";
import { chatBody } from "../support/ext-proc-messages.ts";
import { addressesOf, closeSimulators, startSimulators } from "../support/fleet-of-simulators.ts";
import { checkHealth } from "../support/health-client.ts";
import { until } from "../support/until.ts";

const clients: ExtProcClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await closeEpps();
  await closeSimulators();
});

function connect(port: number): ExtProcClient {
  const client = new ExtProcClient(port);
  clients.push(client);
  return client;
}

/** A time that nothing else waits for. */
const NOTICE_MS = 123_456;

/** The system's clock, but for the notice, which ends when the test says so. */
function clockWithNotice(): { clock: Clock; isNoticing: () => boolean; endNotice: () => void } {
  let end: (() => void) | undefined;
  const clock: Clock = {
    ...systemClock,
    setTimeout(task, delayMs) {
      if (delayMs !== NOTICE_MS) return systemClock.setTimeout(task, delayMs);
      end = task;
      return { cancel: () => undefined };
    },
  };
  return { clock, isNoticing: () => end !== undefined, endNotice: () => end?.() };
}

it("a picker that ends takes requests while its notice lasts, says NOT_SERVING meanwhile, and then ends", async () => {
  const { clock, isNoticing, endNotice } = clockWithNotice();
  const endpoints = addressesOf(await startSimulators(1));
  const epp = await startTestEpp(endpoints, { drainNoticeMs: NOTICE_MS, clock, healthOnGrpcPort: true });
  const early = connect(epp.grpcPort);
  await early.ask(chatBody("hello"));

  const closed = epp.close(NOTICE_MS + 10_000);
  await until("the notice has begun", isNoticing);
  expect(await checkHealth(epp.healthPort)).toBe("NOT_SERVING");
  // A shard hears of it a moment later.
  await until("so it is on the other port", async () => (await checkHealth(epp.grpcPort)) === "NOT_SERVING");
  expect(await early.ask(chatBody("hello"))).toMatchObject({ kind: "routed" });
  expect(await connect(epp.grpcPort).ask(chatBody("hello"))).toMatchObject({ kind: "routed" });
  endNotice();
  expect(await closed).toEqual({ streamsCut: 0 });
  await expect(connect(epp.grpcPort).ask(chatBody("hello"))).rejects.toThrow("the stream ended with 14");
});

it("a picker that ends at once gives no notice", async () => {
  const { clock, isNoticing } = clockWithNotice();
  const epp = await startTestEpp([], { drainNoticeMs: NOTICE_MS, clock });
  await epp.close(0);
  expect(isNoticing()).toBe(false);
});
