import { describe, expect, it } from "vitest";
import { HpackDecoder, HpackError } from "../../../../src/wire/http2/hpack-decoder.ts";
import { decodeFields, type Field, tableOf, tableSize } from "../../../support/header-blocks.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ""), "hex");

interface Example {
  readonly block: string;
  readonly fields: readonly Field[];
  readonly table: readonly Field[];
  readonly tableSize: number;
}

const AUTHORITY: Field = [":authority", "www.example.com"];
const NO_CACHE: Field = ["cache-control", "no-cache"];
const CUSTOM: Field = ["custom-key", "custom-value"];
const PRIVATE: Field = ["cache-control", "private"];
const DATE: Field = ["date", "Mon, 21 Oct 2013 20:13:21 GMT"];
const DATE_LATER: Field = ["date", "Mon, 21 Oct 2013 20:13:22 GMT"];
const LOCATION: Field = ["location", "https://www.example.com"];
const GZIP: Field = ["content-encoding", "gzip"];
const COOKIE: Field = ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"];

/** RFC 7541, appendix C.3 and C.4: three requests on one connection. */
function requests(blocks: readonly [string, string, string]): Example[] {
  const start: readonly Field[] = [[":method", "GET"], [":scheme", "http"], [":path", "/"], AUTHORITY];
  const last: readonly Field[] = [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/index.html"],
    AUTHORITY,
    CUSTOM,
  ];
  return [
    { block: blocks[0], fields: start, table: [AUTHORITY], tableSize: 57 },
    { block: blocks[1], fields: [...start, NO_CACHE], table: [NO_CACHE, AUTHORITY], tableSize: 110 },
    { block: blocks[2], fields: last, table: [CUSTOM, NO_CACHE, AUTHORITY], tableSize: 164 },
  ];
}

/** Appendix C.5 and C.6: three responses with a table of 256 bytes, so that entries are evicted. */
function responses(blocks: readonly [string, string, string]): Example[] {
  const found: Field = [":status", "302"];
  const redirect: Field = [":status", "307"];
  return [
    {
      block: blocks[0],
      fields: [found, PRIVATE, DATE, LOCATION],
      table: [LOCATION, DATE, PRIVATE, found],
      tableSize: 222,
    },
    {
      block: blocks[1],
      fields: [redirect, PRIVATE, DATE, LOCATION],
      table: [redirect, LOCATION, DATE, PRIVATE],
      tableSize: 222,
    },
    {
      block: blocks[2],
      fields: [[":status", "200"], PRIVATE, DATE_LATER, LOCATION, GZIP, COOKIE],
      table: [COOKIE, GZIP, DATE_LATER],
      tableSize: 215,
    },
  ];
}

describe("the specification's examples", () => {
  it.each([
    {
      name: "C.2.1, a literal with indexing",
      block: "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
      field: ["custom-key", "custom-header"],
      isAdded: true,
    },
    {
      name: "C.2.2, a literal without indexing",
      block: "040c 2f73 616d 706c 652f 7061 7468",
      field: [":path", "/sample/path"],
      isAdded: false,
    },
    {
      name: "C.2.3, a literal never indexed",
      block: "1008 7061 7373 776f 7264 0673 6563 7265 74",
      field: ["password", "secret"],
      isAdded: false,
    },
    { name: "C.2.4, an indexed field", block: "82", field: [":method", "GET"], isAdded: false },
  ])("$name", ({ block, field, isAdded }) => {
    const decoder = new HpackDecoder();
    expect(decodeFields(decoder, hex(block))).toEqual([field]);
    expect(tableOf(decoder)).toEqual(isAdded ? [field] : []);
  });

  it.each([
    {
      name: "C.3, requests without Huffman codes",
      tableSizeMax: 4096,
      examples: requests([
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ]),
    },
    {
      name: "C.4, requests with Huffman codes",
      tableSizeMax: 4096,
      examples: requests([
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ]),
    },
    {
      name: "C.5, responses without Huffman codes",
      tableSizeMax: 256,
      examples: responses([
        `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
         2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
        "4803 3330 37c1 c0bf",
        `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
         54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
         5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
      ]),
    },
    {
      name: "C.6, responses with Huffman codes",
      tableSizeMax: 256,
      examples: responses([
        `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
         2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
        "4883 640e ffc1 c0bf",
        `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
         77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
         9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
      ]),
    },
  ])("$name", ({ tableSizeMax, examples }) => {
    const decoder = new HpackDecoder({ tableSizeMax });
    for (const example of examples) {
      expect(decodeFields(decoder, hex(example.block))).toEqual(example.fields);
      expect(tableOf(decoder)).toEqual(example.table);
      expect(tableSize(tableOf(decoder))).toBe(example.tableSize);
    }
  });
});

describe("the dynamic table", () => {
  /** A literal with indexing: one byte of name, `size` bytes of value. */
  const added = (name: string, size = 1): Buffer =>
    Buffer.concat([Buffer.from([0x40, 1]), Buffer.from(name), textOf("v".repeat(size))]);
  const namesOf = (decoder: HpackDecoder): string =>
    tableOf(decoder)
      .map(([name]) => name)
      .join("");

  it("keeps the newest entries that fit, however many have gone through it", () => {
    // Three entries of 34 bytes fit.
    const decoder = new HpackDecoder({ tableSizeMax: 110 });
    const letters = "abcdefghijklmnopqrstuvwxyz".repeat(10);
    for (let index = 0; index < letters.length; index++) {
      decodeFields(decoder, added(letters[index] as string));
      expect(namesOf(decoder)).toBe([...letters.slice(Math.max(0, index - 2), index + 1)].reverse().join(""));
    }
  });

  it("holds as many entries as its size allows when they are empty", () => {
    const decoder = new HpackDecoder();
    for (let index = 0; index < 200; index++) decodeFields(decoder, hex("40 00 00"));
    expect(tableOf(decoder)).toHaveLength(4096 / 32);
  });

  it("is emptied by an entry that is larger than itself, which is visited all the same", () => {
    const decoder = new HpackDecoder({ tableSizeMax: 110 });
    decodeFields(decoder, Buffer.concat([added("a"), added("b")]));
    expect(decodeFields(decoder, added("c", 110 - 33 + 1))).toEqual([["c", "v".repeat(78)]]);
    expect(tableOf(decoder)).toEqual([]);
    // One byte less is the whole table.
    decodeFields(decoder, Buffer.concat([added("a"), added("d", 77)]));
    expect(namesOf(decoder)).toBe("d");
  });

  it("adds a field by the name of an entry that this evicts", () => {
    const decoder = new HpackDecoder({ tableSizeMax: 70 });
    decodeFields(decoder, added("a", 30));
    expect(decodeFields(decoder, Buffer.concat([hex("7e"), textOf("w".repeat(20))]))).toEqual([["a", "w".repeat(20)]]);
    expect(tableOf(decoder)).toEqual([["a", "w".repeat(20)]]);
  });

  it("shrinks and grows as a block's beginning says, up to its maximum", () => {
    const decoder = new HpackDecoder({ tableSizeMax: 110 });
    decodeFields(decoder, Buffer.concat([added("a"), added("b"), added("c")]));
    decodeFields(decoder, integer(0x20, 5, 68));
    expect(namesOf(decoder)).toBe("cb");
    // To 0 and back: empty, with room for three.
    decodeFields(decoder, Buffer.concat([integer(0x20, 5, 0), integer(0x20, 5, 110), added("d")]));
    expect(namesOf(decoder)).toBe("d");
    decodeFields(decoder, Buffer.concat([added("e"), added("f"), added("g")]));
    expect(namesOf(decoder)).toBe("gfe");
    expect(() => decodeFields(decoder, integer(0x20, 5, 111))).toThrow(HpackError);
  });

  it("starts with the protocol's 4,096 bytes, and is larger only once the peer says so", () => {
    const decoder = new HpackDecoder({ tableSizeMax: 8192 });
    for (let index = 0; index < 200; index++) decodeFields(decoder, hex("40 00 00"));
    expect(tableOf(decoder)).toHaveLength(4096 / 32);
    decodeFields(decoder, integer(0x20, 5, 8192));
    for (let index = 0; index < 300; index++) decodeFields(decoder, hex("40 00 00"));
    expect(tableOf(decoder)).toHaveLength(8192 / 32);
  });
});

describe("a path", () => {
  const path = (text: string, head = "04"): Buffer => Buffer.concat([hex(head), textOf(text)]);
  const SAMPLE: Field = [":path", "/sample/path"];

  it("is read each time as it stands, whether it is that of the block before or another", () => {
    const decoder = new HpackDecoder();
    const long = "/".padEnd(1000, "long");
    for (const text of ["/a", "/a", "/b", "", "", "/ab", "/a", long, "/a", long, "/abc", "/ab"]) {
      expect(decodeFields(decoder, Buffer.concat([path(text), hex("82")]))).toEqual([
        [":path", text],
        [":method", "GET"],
      ]);
    }
    expect(tableOf(decoder)).toEqual([]);
  });

  it("is the same without and with Huffman codes, and with indexing", () => {
    const decoder = new HpackDecoder();
    const coded = hex("04 89 61 03 a6 ba 0a c5 63 4c ff");
    const plain = path("/sample/path");
    for (const block of [coded, coded, plain, plain, coded]) expect(decodeFields(decoder, block)).toEqual([SAMPLE]);
    for (let time = 0; time < 2; time++) decodeFields(decoder, path("/sample/path", "44"));
    expect(tableOf(decoder)).toEqual([SAMPLE, SAMPLE]);
  });

  it("that is cut is an HpackError, also when it begins like the one before", () => {
    const decoder = new HpackDecoder();
    const block = path("/sample/path");
    decodeFields(decoder, block);
    for (let end = 1; end < block.length; end++) {
      expect(() => decoder.decode(block, 0, end, () => undefined)).toThrow(HpackError);
    }
  });
});

describe("a block that breaks the format", () => {
  it.each([
    { name: "index 0", block: "80" },
    { name: "an index behind the static table when nothing was added", block: "be" },
    { name: "a name behind the static table when nothing was added", block: "7e 01 61" },
    { name: "an index far behind the table", block: "ff ff ff 7f" },
    { name: "a size update behind a field", block: "82 20 01 61 01 62" },
    { name: "a size update above the maximum", block: "3f e2 1f" },
    { name: "an integer that does not end", block: "ff 80 80" },
    { name: "an integer of more than 4 bytes", block: "3f 80 80 80 80 00" },
    { name: "an integer of 2^64", block: "ff 80 80 80 80 80 80 80 80 80 02" },
    { name: "a literal that ends behind its head", block: "40" },
    { name: "a literal that ends behind its name", block: "40 01 61" },
    { name: "a name that ends early", block: "40 02 61" },
    { name: "a value that ends early", block: "40 01 61 02 62" },
    { name: "a string longer than any block", block: "40 7f ff ff ff 7f 61" },
    { name: "a Huffman string with 8 bits of padding", block: "00 82 1f ff 00" },
    { name: "a Huffman string padded with zeros", block: "00 81 18 00" },
    { name: "a Huffman string with EOS", block: "00 84 ff ff ff ff 00" },
  ])("$name is an HpackError", ({ block }) => {
    expect(() => decodeFields(new HpackDecoder(), hex(block))).toThrow(HpackError);
  });

  it("is not what stands around it", () => {
    const decoder = new HpackDecoder();
    const within = hex("80 82 80");
    const visited: string[] = [];
    expect(decoder.decode(within, 1, 2, (name) => visited.push(name))).toBe(true);
    expect(visited).toEqual([":method"]);
    // What is missing lies in the buffer, but not in the block: of a name, a value, an integer.
    for (const [bytes, end] of [
      ["40 02 61 62 00", 3],
      ["40 01 61 00", 3],
      ["3f 00", 1],
    ] as const) {
      expect(() => decoder.decode(hex(bytes), 0, end, () => undefined), bytes).toThrow(HpackError);
    }
  });
});

it("an integer may have 4 bytes behind its prefix", () => {
  expect(decodeFields(new HpackDecoder(), hex("3f 80 80 80 00 82"))).toEqual([[":method", "GET"]]);
});

describe("a block as large as allowed", () => {
  it("is visited whole; with one byte more, up to the field that is too much", () => {
    // 3 + 3 + 32 for each of the two.
    const block = Buffer.concat(
      [0x61, 0x62].map((letter) => Buffer.from([0x40, 3, letter, 0x62, 0x63, 3, 0x64, 0x65, 0x66])),
    );
    const visit = (decoder: HpackDecoder): { isWithinSize: boolean; names: string[] } => {
      const names: string[] = [];
      const isWithinSize = decoder.decode(Buffer.concat([block, hex("82")]), 0, block.length, (name) =>
        names.push(name),
      );
      return { isWithinSize, names };
    };
    expect(visit(new HpackDecoder({ listSizeMax: 76 }))).toEqual({ isWithinSize: true, names: ["abc", "bbc"] });
    expect(visit(new HpackDecoder({ listSizeMax: 75 }))).toEqual({ isWithinSize: false, names: ["abc"] });
  });

  it("leaves the table in step when it is larger, and the next block is read", () => {
    const decoder = new HpackDecoder({ listSizeMax: 100 });
    const names: string[] = [];
    const large = Buffer.concat([hex("40 01 61"), textOf("v".repeat(100)), hex("40 01 62 01 76"), hex("82")]);
    expect(decoder.decode(large, 0, large.length, (name) => names.push(name))).toBe(false);
    // Not even what would have fitted behind it.
    expect(names).toEqual([]);
    expect(decodeFields(decoder, hex("be 82"))).toEqual([
      ["b", "v"],
      [":method", "GET"],
    ]);
  });

  it.each([0, 1, 15, 16, 511, 512, 513, 2000])(
    "is read with strings of %i × 8 characters, in either form",
    (eights) => {
      const decoder = new HpackDecoder();
      const value = "0".repeat(8 * eights);
      // "0" has the code 00000, so that 8 of them are 5 bytes.
      const coded = Buffer.concat([hex("00 01 61"), integer(0x80, 7, 5 * eights), Buffer.alloc(5 * eights)]);
      expect(decodeFields(decoder, coded)).toEqual([["a", value]]);
      expect(decodeFields(decoder, Buffer.concat([hex("00 01 61"), textOf(value)]))).toEqual([["a", value]]);
    },
  );
});

/** RFC 7541, 5.1, for a prefix of `bits` bits. */
function integer(head: number, bits: number, value: number): Buffer {
  const prefixMax = 2 ** bits - 1;
  if (value < prefixMax) return Buffer.from([head | value]);
  const bytes = [head | prefixMax];
  let rest = value - prefixMax;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}

function textOf(text: string): Buffer {
  return Buffer.concat([integer(0, 7, text.length), Buffer.from(text, "latin1")]);
}
