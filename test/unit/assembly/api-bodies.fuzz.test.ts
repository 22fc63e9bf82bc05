/**
 * Every API's grammar against the plain reference (`test/support/api-parts.ts`: which bytes belong to which part).
 * Strategy: tricky bodies, each under each API, cut at every place; random bodies of each API cut at random places;
 * the same bodies damaged. Invariants: the outcome equals the reference's and does not depend on the cuts.
 * A failure names the seed; MAGPIE_TEST_SEED repeats it.
 */
import { describe, expect, test } from "vitest";
import { Prng, randomSeed } from "../../../src/base/prng.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { JSON_APIS, randomApiBody, TRICKY_API_BODIES } from "../../support/api-bodies.ts";
import { mutate, pick } from "../../support/json-bodies.ts";
import { expectedScan, type ScanOutcome } from "../../support/json-scan-oracle.ts";
import { KERNEL_BUILDS, type TestKernel, testKernel } from "../../support/kernel.ts";
import { scanFacts, scanPieces, windowField } from "../../support/scan.ts";

const SEED = Number(process.env["MAGPIE_TEST_SEED"] ?? randomSeed());
const RANDOM_BODIES = 400;
const DAMAGED_BODIES = 300;
/** Large enough that no body here has more than BLOCKS_MAX blocks, of which the reference knows nothing. */
const BLOCK_SIZES = [512, 1_028, 4_096];

describe.each(KERNEL_BUILDS)(`bodies of every API, seed ${SEED}, %s build`, (build) => {
  const kernel = testKernel(build);

  test("tricky bodies have the same outcome whole, cut at every place, and byte by byte, under every API", () => {
    let executions = 0;
    for (const text of TRICKY_API_BODIES) {
      const body = Buffer.from(text);
      for (const [, api] of JSON_APIS) {
        const whole = scanned(kernel, body, [], api, 512);
        expectLikeReference(whole, body, api, 512);
        for (let cut = 1; cut < body.length; cut++) {
          // Every place under the APIs that see the most of it; a sample under the others.
          if ((cut + executions) % 4 !== 0 && !text.includes("messages")) continue;
          expect(scanned(kernel, body, [cut], api, 512), `${text} cut at ${cut}`).toEqual(whole);
          executions++;
        }
        const everywhere = Array.from({ length: body.length }, (_, index) => index);
        expect(scanned(kernel, body, everywhere, api, 512), `${text} byte by byte`).toEqual(whole);
        executions += 2;
      }
    }
    expect(executions).toBeGreaterThan(10_000);
  });

  test.each(JSON_APIS)(`${RANDOM_BODIES} random bodies of %s are as the reference says, however cut`, (name, api) => {
    const prng = new Prng(SEED).fork(`random ${name}`);
    let done = 0;
    let withPrompt = 0;
    for (let index = 0; index < RANDOM_BODIES; index++) {
      const body = Buffer.from(randomApiBody(prng, api));
      const blockSize = pick(prng, BLOCK_SIZES);
      const cuts = Array.from({ length: prng.nextBelow(6) }, () => prng.nextBelow(body.length + 1));
      const outcome = scanned(
        kernel,
        body,
        cuts.sort((one, other) => one - other),
        api,
        blockSize,
      );
      expectLikeReference(outcome, body, api, blockSize);
      if (outcome.result !== layout.SCAN_DONE) continue;
      done++;
      if ("facts" in outcome && outcome.facts.hasPrompt) withPrompt++;
    }
    // The generator must not drift into refused or empty bodies only.
    expect(done).toBeGreaterThan(RANDOM_BODIES / 3);
    expect(withPrompt).toBeGreaterThan(RANDOM_BODIES / 10);
  });

  test.each(JSON_APIS)(
    `${DAMAGED_BODIES} damaged bodies of %s are accepted and refused as JSON.parse does`,
    (name, api) => {
      const prng = new Prng(SEED).fork(`damaged ${name}`);
      const counts = { accepted: 0, refused: 0 };
      for (let index = 0; index < DAMAGED_BODIES; index++) {
        const body = Buffer.from(mutate(prng, Buffer.from(randomApiBody(prng, api))));
        const whole = scanned(kernel, body, [], api, 512);
        const cut = prng.nextBelow(body.length + 1);
        expect(scanned(kernel, body, [cut], api, 512), describeBody(body)).toEqual(whole);
        const isJson = parses(body);
        if (isJson) counts.accepted++;
        else counts.refused++;
        if (!isJson) expect(whole.result, describeBody(body)).toBeGreaterThan(layout.SCAN_DONE);
      }
      expect(Math.min(counts.accepted, counts.refused)).toBeGreaterThan(DAMAGED_BODIES / 20);
    },
  );
});

function scanned(
  kernel: TestKernel,
  body: Uint8Array,
  cuts: readonly number[],
  api: number,
  blockSize: number,
): ScanOutcome {
  const result = scanPieces(kernel, body, cuts, { api, blockSize });
  if (result === layout.SCAN_DONE) return { result, facts: scanFacts(kernel) };
  return { result, offset: windowField(kernel, layout.WINDOW_BODY_OFFSET) };
}

function expectLikeReference(actual: ScanOutcome, body: Uint8Array, api: number, blockSize: number): void {
  const expected = expectedScan(body, api, blockSize);
  expect(expected, describeBody(body)).not.toBe("not JSON");
  expect(actual, `api ${api}, ${describeBody(body)}`).toEqual(expected);
}

function parses(body: Buffer): boolean {
  try {
    JSON.parse(body.toString("utf8"));
    return true;
  } catch {
    return false;
  }
}

function describeBody(body: Uint8Array): string {
  return `seed ${SEED}, body ${Buffer.from(body).toString("utf8")}`;
}
