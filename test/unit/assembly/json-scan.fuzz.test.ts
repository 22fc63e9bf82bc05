/**
 * Compares the body scanner with the oracle (`test/support/json-scan-oracle.ts`: JSON.parse, TextEncoder, BigInt
 * XXH64). Strategy: a corpus of tricky bodies cut at every place; random bodies cut at random places, several on one
 * shard in turns; the same bodies damaged. Invariants: the outcome equals the oracle's; it does not depend on the cuts;
 * what JSON.parse refuses is refused and nothing else is; what precedes an offending byte could still become a body. A
 * failure names the seed; MAGPIE_TEST_SEED repeats it.
 */
import { describe, expect, test } from "vitest";
import { Prng, randomSeed } from "../../../src/base/prng.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { mutate, pick, randomBody, TRICKY_BODIES } from "../../support/json-bodies.ts";
import { expectedScan, type ScanOutcome } from "../../support/json-scan-oracle.ts";
import { KERNEL_BUILDS, type TestKernel, testKernel } from "../../support/kernel.ts";
import {
  beginScan,
  CHAT,
  COMPLETIONS,
  SLACKS,
  scanFacts,
  scanPiece,
  scanPieces,
  windowField,
} from "../../support/scan.ts";

const SEED = Number(process.env["MAGPIE_TEST_SEED"] ?? randomSeed());
const RANDOM_BODIES = 1_500;
const DAMAGED_BODIES = 6_000;
const WINDOWS = 4;
const BLOCK_SIZES = [64, 68, 96, 256];

describe.each(KERNEL_BUILDS)(`json scan against its oracle, seed ${SEED}, %s build`, (build) => {
  const kernel = testKernel(build);

  test("every tricky body has the same outcome whole, cut at every place, and byte by byte", () => {
    let executions = 0;
    for (const text of TRICKY_BODIES) {
      const body = Buffer.from(text);
      for (const api of [CHAT, COMPLETIONS]) {
        const whole = scanned(kernel, body, [], api);
        expectLikeOracle(whole, body, api, 64);
        for (let cut = 0; cut <= body.length; cut++) {
          for (const slack of SLACKS.keys()) {
            const result = scanPieces(kernel, body, [cut], { api, slack });
            expect(outcome(kernel, result), `${text} cut at ${cut} before ${SLACKS[slack]}`).toEqual(whole);
            executions++;
          }
        }
        const everywhere = Array.from({ length: body.length }, (_, index) => index);
        expect(scanned(kernel, body, everywhere, api), `${text} byte by byte`).toEqual(whole);
        executions += 2;
      }
    }
    expect(executions).toBeGreaterThan(20_000);
  });

  test("every beginning of a good tricky body is cut, not refused", () => {
    let executions = 0;
    for (const text of TRICKY_BODIES) {
      const body = Buffer.from(text);
      if (expectedScan(body, CHAT, 64) === "not JSON" || scanPieces(kernel, body) !== layout.SCAN_DONE) continue;
      const objectEnd = body.lastIndexOf("}");
      for (let size = 0; size <= objectEnd; size++) {
        expect(scanPieces(kernel, body.subarray(0, size)), text.slice(0, size)).toBe(layout.SCAN_CUT);
        expect(windowField(kernel, layout.WINDOW_BODY_OFFSET)).toBe(size);
        executions++;
      }
    }
    expect(executions).toBeGreaterThan(1_500);
  });

  test(`${RANDOM_BODIES} random bodies, ${WINDOWS} at a time in turns, are as the oracle says`, () => {
    const prng = new Prng(SEED).fork("random bodies");
    let done = 0;
    for (let round = 0; round < RANDOM_BODIES; round += WINDOWS) {
      const scans = Array.from({ length: WINDOWS }, (_, window) => {
        const api = pick(prng, [CHAT, CHAT, COMPLETIONS]);
        const blockSize = pick(prng, BLOCK_SIZES);
        beginScan(kernel, { api, blockSize, window });
        return {
          window,
          api,
          blockSize,
          body: Buffer.from(randomBody(prng)),
          at: 0,
          result: layout.SCAN_MORE,
          isOver: false,
        };
      });
      const pieceMax = pick(prng, [1, 5, 40, 400]);
      while (scans.some((scan) => !scan.isOver)) {
        const scan = pick(prng, scans);
        if (scan.isOver) continue;
        const piece = scan.body.subarray(scan.at, scan.at + prng.nextBelow(pieceMax + 1));
        scan.at += piece.length;
        scan.isOver = scan.at === scan.body.length;
        scan.result = scanPiece(kernel, piece, scan.isOver, { window: scan.window });
      }
      for (const { window, api, blockSize, body, result } of scans) {
        expectLikeOracle(outcome(kernel, result, window), body, api, blockSize);
        if (result === layout.SCAN_DONE) done++;
      }
    }
    // The generator must not drift into making refused bodies only.
    expect(done).toBeGreaterThan(RANDOM_BODIES / 3);
  });

  test(`${DAMAGED_BODIES} damaged bodies are accepted and refused as JSON.parse does`, () => {
    const prng = new Prng(SEED).fork("damaged bodies");
    const counts = { accepted: 0, notJson: 0 };
    let body: Uint8Array = Buffer.alloc(0);
    for (let index = 0; index < DAMAGED_BODIES; index++) {
      if (index % 6 === 0) body = Buffer.from(prng.nextBelow(3) === 0 ? pick(prng, TRICKY_BODIES) : randomBody(prng));
      const damaged = mutate(prng, body);
      const api = pick(prng, [CHAT, COMPLETIONS]);
      const whole = scanned(kernel, damaged, [], api);
      expectLikeOracle(whole, damaged, api, 64);
      const cut = prng.nextBelow(damaged.length + 1);
      expect(scanned(kernel, damaged, [cut], api), `${describeBody(damaged)} cut at ${cut}`).toEqual(whole);
      if (whole.result === layout.SCAN_DONE) counts.accepted++;
      if (whole.result !== layout.SCAN_NOT_JSON) continue;
      counts.notJson++;
      const before = damaged.subarray(0, (whole as { offset: number }).offset);
      const result = scanPieces(kernel, before, [], { api });
      expect([layout.SCAN_CUT, layout.SCAN_DONE], `what precedes the offset in ${describeBody(damaged)}`).toContain(
        result,
      );
    }
    expect(counts.accepted).toBeGreaterThan(DAMAGED_BODIES / 20);
    expect(counts.notJson).toBeGreaterThan(DAMAGED_BODIES / 20);
  });

  test("random bytes never pass and never harm", () => {
    const prng = new Prng(SEED).fork("garbage");
    for (let index = 0; index < 2_000; index++) {
      const garbage = Buffer.from(Array.from({ length: 1 + prng.nextBelow(40) }, () => prng.nextBelow(256)));
      const body = index % 2 === 0 ? garbage : Buffer.concat([Buffer.from(`{"model":`), garbage]);
      expectLikeOracle(scanned(kernel, body, [], CHAT), body, CHAT, 64);
    }
  });
});

function scanned(kernel: TestKernel, body: Uint8Array, cuts: readonly number[], api: number): ScanOutcome {
  return outcome(kernel, scanPieces(kernel, body, cuts, { api }));
}

function outcome(kernel: TestKernel, result: number, window = 0): ScanOutcome {
  if (result === layout.SCAN_DONE) return { result, facts: scanFacts(kernel, window) };
  return { result, offset: windowField(kernel, layout.WINDOW_BODY_OFFSET, window) };
}

/**
 * The oracle cannot tell why a body is no JSON, so then any refusal is right. Bytes that are no UTF-8 pass through the
 * scanner as they are; for the oracle a byte of as little meaning stands for each, and texts and ids are not compared.
 */
function expectLikeOracle(actual: ScanOutcome, body: Uint8Array, api: number, blockSize: number): void {
  const isText = Buffer.from(Buffer.from(body).toString("utf8")).equals(Buffer.from(body));
  const expected = expectedScan(isText ? body : body.map((byte) => (byte < 0x80 ? byte : 0x7f)), api, blockSize);
  const message = describeBody(body);
  if (expected === "not JSON") {
    expect(actual.result, message).toBeGreaterThan(layout.SCAN_DONE);
  } else if ("facts" in expected && "facts" in actual && !isText) {
    expect(actual.facts.promptSize, message).toBe(expected.facts.promptSize);
    expect(actual.facts.modelSpan, message).toEqual(expected.facts.modelSpan);
  } else {
    expect(actual, message).toEqual(expected);
  }
}

function describeBody(body: Uint8Array): string {
  return `seed ${SEED}, body ${JSON.stringify(Buffer.from(body).toString("latin1"))}`;
}
