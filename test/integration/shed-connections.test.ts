/** Connections that are shed under load: proxies replace them, and no exchange is lost. */
import { afterEach, expect, it } from "vitest";
import { runLoad } from "../../bench/load/load-run.ts";
import { systemClock } from "../../src/base/clock.ts";
import { closeEpps, startTestEpp } from "../support/epp.ts";
import { addressesOf, closeSimulators, startSimulators } from "../support/fleet-of-simulators.ts";
import { readMetric } from "../support/metrics.ts";

afterEach(async () => {
  await closeEpps();
  await closeSimulators();
});

const SHED_PERIOD_MS = 10;
const EXCHANGES_MIN = 1_000;

it(`${EXCHANGES_MIN} exchanges over four connections, one of which is shed every ${SHED_PERIOD_MS} ms, all go well`, async () => {
  const epp = await startTestEpp(addressesOf(await startSimulators(2)), { streamWindowCount: 1_024 });
  const shedding = systemClock.setInterval(() => epp.shards.tellOne(0, { kind: "shed", share: 0.25 }), SHED_PERIOD_MS);
  const result = await runLoad(
    {
      target: { host: "127.0.0.1", port: epp.grpcPort, isTls: false },
      authority: "localhost",
      connectionCount: 4,
      threadCount: 1,
      pace: { kind: "closed", concurrency: 32 },
      ending: "reset",
      chunksInFlight: 1,
      isAtOnce: false,
      mayEndAfterPick: false,
      warmUpMs: 0,
      durationMs: 500,
      exchangeCountMin: EXCHANGES_MIN,
      timeoutMs: 15_000,
      seed: 1,
      script: {
        path: "/v1/chat/completions",
        model: "simulated-8b",
        // Several messages, so that connections are shed within requests, too.
        bodySize: 20_000,
        pieceSize: 4_096,
        prefixGroupCount: 4,
        prefixShare: 0.5,
        chunkCount: 10,
      },
    },
    systemClock,
  );
  shedding.cancel();
  expect(result.errors).toEqual({});
  expect(result.completedCount).toBeGreaterThanOrEqual(EXCHANGES_MIN);
  const shedCount = (await readMetric(epp.metricsPort, "endpoint_picker_connections_shed_total")) ?? 0;
  expect(shedCount).toBeGreaterThan(10);
  expect(result.connectionCount).toBeGreaterThan(10);
});
