/** Certificates of known age, on a clock that the test moves; what is read from folders is tested where it is read. */
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { ManualClock, systemClock } from "../../../src/base/clock.ts";
import { RELOAD_CHECK_MS } from "../../../src/platform/certificate-watch.ts";
import { createSelfSignedCertificate, VALID_MS } from "../../../src/platform/self-signed-certificate.ts";
import type { KeyPair } from "../../../src/platform/tls.ts";
import { loadServingCertificate, type ServingCertificate } from "../../../src/shards/serving-certificate.ts";
import { HealthDetails } from "../../../src/telemetry/health-details.ts";
import type { Logger } from "../../../src/telemetry/logger.ts";
import { mountSecret, removeFolders } from "../../support/certificate-folder.ts";

const DAY_MS = 24 * 3_600_000;

const certificates: ServingCertificate[] = [];

afterEach(() => {
  for (const certificate of certificates.splice(0)) certificate.close();
  removeFolders();
});

/** One that ends so long from now, or has ended. */
function certificateEnding(clock: ManualClock, inMs: number): KeyPair {
  const madeAt = { ...systemClock, wallMs: () => clock.wallMs() + inMs - VALID_MS };
  return createSelfSignedCertificate(["localhost"], madeAt);
}

async function load(clock: ManualClock, certPath: string) {
  const logger = pino({ enabled: false }) as unknown as Logger;
  const degraded = new HealthDetails({ clock, logger });
  const secureServing = { minVersion: "TLSv1.2", certPath, isReloaded: true, names: ["localhost"] } as const;
  const certificate = await loadServingCertificate({
    ...{ secureServing, clock, logger, degraded },
    onReloaded: () => undefined,
  });
  certificates.push(certificate);
  return { certificate, states: () => degraded.list().map(({ code }) => code) };
}

describe("a certificate that is served", () => {
  it("is a degraded state from a day before its end on, until another one is there", async () => {
    const clock = new ManualClock();
    const secret = mountSecret(certificateEnding(clock, DAY_MS + RELOAD_CHECK_MS));
    const { states } = await load(clock, secret.path);
    expect(states()).toEqual([]);
    clock.advance(2 * RELOAD_CHECK_MS);
    expect(states()).toEqual(["certificate-expiring"]);
    secret.replace(certificateEnding(clock, 30 * DAY_MS));
    clock.advance(RELOAD_CHECK_MS);
    expect(states()).toEqual([]);
  });

  it("that has ended before the start is told of, and served", async () => {
    const clock = new ManualClock();
    const secret = mountSecret(certificateEnding(clock, -DAY_MS));
    expect((await load(clock, secret.path)).states()).toEqual(["certificate-expiring"]);
  });

  it("of its own is made for the names that it is given, and leaves no timer behind when it is closed", async () => {
    const clock = new ManualClock();
    const { certificate, states } = await load(clock, "");
    expect(certificate.tls.keyPair.cert).toMatch(/^-----BEGIN CERTIFICATE-----/);
    expect(certificate.tls.minVersion).toBe("TLSv1.2");
    expect(states()).toEqual([]);
    certificate.close();
    expect(clock.pendingCount).toBe(0);
  });
});
