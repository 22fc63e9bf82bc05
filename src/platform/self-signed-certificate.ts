/**
 * A certificate that nobody has signed, for ext_proc over TLS without a secret: the proxy encrypts and does not ask who
 * is there. EC P-256, made in some ms; the Go picker's RSA-4096 takes seconds of CPU at each start.
 *
 * It is made at every start and kept in memory only. Libraries encode it; keys and signature are Node's.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { isIP } from "node:net";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_kp_serverAuth,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from "@peculiar/asn1-x509";
import type { Clock } from "../base/clock.ts";
import type { KeyPair } from "./tls.ts";

/**
 * No process runs for so long, and nobody renews this certificate while one does: it must outlive any. Ten years is
 * what the Go picker gives its own, and what tools that look for certificates without end let pass.
 */
export const VALID_MS: number = 10 * 365 * 24 * 3_600_000;

/** A clock of another machine may be a little behind. */
const CLOCK_SKEW_MS = 3_600_000;

/** Names beyond this are left out: a machine with hundreds of addresses needs no certificate with all of them. */
export const NAMES_MAX = 64;

const OID_COMMON_NAME = "2.5.4.3";
const OID_ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";

/** Makes one for these host names and addresses. */
export function createSelfSignedCertificate(names: readonly string[], clock: Clock): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = new AlgorithmIdentifier({ algorithm: OID_ECDSA_WITH_SHA256 });
  const certificate = new Certificate({
    tbsCertificate: contentOf(publicKey, algorithm, { names, nowMs: clock.wallMs() }),
    signatureAlgorithm: algorithm,
  });
  const content = Buffer.from(AsnConvert.serialize(certificate.tbsCertificate));
  certificate.signatureValue = arrayBufferOf(sign("sha256", content, privateKey));
  return {
    cert: toPem("CERTIFICATE", Buffer.from(AsnConvert.serialize(certificate))),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

/** What is signed. */
function contentOf(
  publicKey: KeyObject,
  signature: AlgorithmIdentifier,
  { names, nowMs }: { readonly names: readonly string[]; readonly nowMs: number },
): TBSCertificate {
  const spki = publicKey.export({ type: "spki", format: "der" });
  const name = new Name([
    new RelativeDistinguishedName([
      new AttributeTypeAndValue({
        type: OID_COMMON_NAME,
        value: new AttributeValue({ utf8String: "magpie-epp self-signed" }),
      }),
    ]),
  ]);
  return new TBSCertificate({
    version: Version.v3,
    serialNumber: serialOf(spki),
    signature,
    issuer: name,
    subject: name,
    validity: new Validity({ notBefore: new Date(nowMs - CLOCK_SKEW_MS), notAfter: new Date(nowMs + VALID_MS) }),
    subjectPublicKeyInfo: AsnConvert.parse(spki, SubjectPublicKeyInfo),
    extensions: new Extensions([
      extension(id_ce_basicConstraints, new BasicConstraints({ cA: false }), true),
      extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
      extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth]), false),
      extension(id_ce_subjectAltName, alternativeNames(names), false),
    ]),
  });
}

function extension(extnID: string, value: object, critical: boolean): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

function alternativeNames(names: readonly string[]): SubjectAlternativeName {
  const known = [...new Set(names)].slice(0, NAMES_MAX);
  return new SubjectAlternativeName(
    known.map((name) => new GeneralName(isIP(name) === 0 ? { dNSName: name } : { iPAddress: name })),
  );
}

/** Follows from the key, so that no two certificates share one: 16 bytes, positive. */
function serialOf(spki: Buffer): ArrayBuffer {
  const digest = createHash("sha256").update(spki).digest().subarray(0, 15);
  return arrayBufferOf(Buffer.concat([Buffer.of(1), digest]));
}

function arrayBufferOf(bytes: Buffer): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

function toPem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
