import { type OutgoingHttpHeaders, sensitiveHeaders } from "node:http2";
import { expect, it } from "vitest";
import { Prng } from "../../../../src/base/prng.ts";
import { HpackDecoder } from "../../../../src/wire/http2/hpack-decoder.ts";
import { encodeHeaders } from "../../../../src/wire/http2/hpack-encoder.ts";
import { decodeFields, exchangeWithNode, type Field, tableOf, tableSize } from "../../../support/header-blocks.ts";
import { randomFields } from "../../../support/random-header-fields.ts";

const SEED = 20_261_121;
const REQUESTS = 300;

/** 0 is a peer that may add nothing; 8,192 one that may use more than what the protocol starts with. */
it.each([0, 100, 512, 4096, 8192])(
  `${REQUESTS} random requests of Node's client, whose table may have %i bytes, are read as they were sent`,
  async (tableSizeMax) => {
    const prng = new Prng(SEED).fork(String(tableSizeMax));
    const sent = Array.from({ length: REQUESTS }, () => randomRequest(prng));
    const { blocks } = await exchangeWithNode({
      requests: sent.map(toNodeHeaders),
      tableSizeMax,
      answer: () => encodeHeaders([[":status", "204"]]),
    });
    expect(blocks).toHaveLength(REQUESTS);
    const decoder = new HpackDecoder({ tableSizeMax });
    const added = new Set<string>();
    for (const [index, fields] of sent.entries()) {
      const decoded = decodeFields(decoder, blocks[index] as Buffer);
      expect(sortedByName(decoded), `seed ${SEED}, request ${index}`).toEqual(sortedByName(fields));
      const table = tableOf(decoder);
      expect(tableSize(table)).toBeLessThanOrEqual(tableSizeMax);
      for (const field of table) added.add(field.join("\0"));
    }
    // The peers did use the table, and more went through it than it holds.
    if (tableSizeMax >= 100) expect(added.size).toBeGreaterThan(tableOf(decoder).length);
  },
);

function randomRequest(prng: Prng): Field[] {
  const pseudo: readonly Field[] = [
    [":method", "POST"],
    [":scheme", "http"],
    [":authority", `host-${prng.nextBelow(3)}`],
    [":path", `/path/${prng.nextBelow(1000)}`],
  ];
  // Of some names only one field is allowed.
  const fields = randomFields(prng);
  const isFirst = ([name]: Field, index: number): boolean => fields.findIndex((field) => field[0] === name) === index;
  return [...pseudo, ...fields.filter((field, index) => field[0].startsWith("x-") || isFirst(field, index))];
}

function toNodeHeaders(fields: readonly Field[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders & { [sensitiveHeaders]?: string[] } = { [sensitiveHeaders]: ["x-session"] };
  for (const [name, value] of fields) {
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat().map(String);
  }
  return headers;
}

/** Fields of one name stay in order. */
function sortedByName(fields: readonly Field[]): Field[] {
  return [...fields].sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
}
