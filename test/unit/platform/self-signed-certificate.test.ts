/** Read back by Node's own X.509, and used in a TLS handshake. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { createSelfSignedCertificate, NAMES_MAX, VALID_MS } from "../../../src/platform/self-signed-certificate.ts";

const NAMES = ["localhost", "127.0.0.1", "::1", "10.20.30.40", "epp.team.svc", "localhost"];

describe("a self-signed certificate", () => {
  const clock = new ManualClock();
  const { cert, key } = createSelfSignedCertificate(NAMES, clock);
  const certificate = new X509Certificate(cert);

  it("verifies by its own key, which is EC P-256", () => {
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
    expect(certificate.issuer).toBe(certificate.subject);
    expect(certificate.ca).toBe(false);
  });

  it("names every name and address once", () => {
    expect(certificate.subjectAltName?.split(", ")).toEqual([
      "DNS:localhost",
      "IP Address:127.0.0.1",
      "IP Address:0:0:0:0:0:0:0:1",
      "IP Address:10.20.30.40",
      "DNS:epp.team.svc",
    ]);
    expect(certificate.checkHost("epp.team.svc")).toBe("epp.team.svc");
    expect(certificate.checkIP("10.20.30.40")).toBe("10.20.30.40");
    expect(certificate.checkHost("other")).toBeUndefined();
  });

  it("is for servers, from a little before now for ten years", () => {
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
    const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
    expect(from).toBeLessThan(clock.wallMs());
    expect(to).toBe(clock.wallMs() + VALID_MS);
    expect(VALID_MS).toBeLessThanOrEqual(10 * 366 * 24 * 3_600_000);
  });

  it("is another one each time", () => {
    const other = createSelfSignedCertificate(NAMES, clock);
    expect(other.key).not.toBe(key);
    expect(new X509Certificate(other.cert).serialNumber).not.toBe(certificate.serialNumber);
  });

  it(`has at most ${NAMES_MAX} names`, () => {
    const names = Array.from({ length: NAMES_MAX + 1 }, (_, index) => `host-${index}`);
    const { subjectAltName = "" } = new X509Certificate(createSelfSignedCertificate(names, clock).cert);
    expect(subjectAltName.split(", ")).toHaveLength(NAMES_MAX);
  });
});
