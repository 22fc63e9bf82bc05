/**
 * What a request body costs from its bytes to its block ids: the copy into the window's chunk area, the scan, the
 * hashing. The baseline is the shortest way in JavaScript to the same ids: JSON.parse, the contents joined and encoded,
 * and the same kernel hash over them, so that the difference is the parsing alone.
 */
import { Prng } from "../../src/base/prng.ts";
import { layout } from "../../src/wasm/layout.ts";
import { type TestKernel, testKernel } from "../../test/support/kernel.ts";
import { beginScan } from "../../test/support/scan.ts";
import type { MicroBench, MicroBenchCase } from "../harness.ts";

const BLOCK_SIZE = 256;
const WINDOW = 0;

interface Shape {
  readonly label: string;
  readonly size: number;
  /** Characters of one message's content. */
  readonly contentSize: number;
  readonly text: (prng: Prng) => string;
  /** Every character beyond ASCII as \uXXXX, as Python's json.dumps writes by default. */
  readonly isAscii?: boolean;
  readonly target?: { readonly text: string; readonly minGigabytesPerSecond: number };
}

const WORDS = "the quick brown fox jumps over a lazy dog while thinking of plain text and of nothing else at all".split(
  " ",
);
const CODE = [
  '"quoted"',
  "text,\n",
  "\tif (x < 10) {\n",
  '\t\treturn "y";\n',
  "\t}\n",
  "plain",
  "words",
  "über",
  "path\\to\\x",
];

const plainText = (prng: Prng): string => `${WORDS[prng.nextBelow(WORDS.length)]} `;
/** One escape in seven bytes, nowhere regular. */
const escapedText = (prng: Prng): string => `${CODE[prng.nextBelow(CODE.length)]} `;
const mixedText = (prng: Prng): string => (prng.nextBelow(10) === 0 ? escapedText(prng) : plainText(prng));
const chineseText = (prng: Prng): string => String.fromCharCode(0x4e00 + prng.nextBelow(5000));

const SHAPES: readonly Shape[] = [
  { label: "4 KiB plain", size: 4096, contentSize: 800, text: plainText },
  { label: "16 KiB dense escapes", size: 16_384, contentSize: 800, text: escapedText },
  { label: "16 KiB plain", size: 16_384, contentSize: 800, text: plainText },
  { label: "1 MiB plain, long contents", size: 1 << 20, contentSize: 20_000, text: plainText, target: atLeast(3) },
  { label: "1 MiB plain", size: 1 << 20, contentSize: 800, text: plainText },
  { label: "1 MiB prose and code", size: 1 << 20, contentSize: 800, text: mixedText, target: atLeast(1) },
  { label: "1 MiB dense escapes", size: 1 << 20, contentSize: 800, text: escapedText },
  {
    label: "1 MiB Chinese as \\uXXXX",
    size: 1 << 20,
    contentSize: 800,
    text: chineseText,
    isAscii: true,
    target: atLeast(1),
  },
];

export const jsonScanBench: MicroBench = {
  name: "json-scan",
  unit: "body",
  cases: (size, seed) => (size === "large" ? SHAPES : SHAPES.slice(0, 2)).map((shape) => scanCase(shape, seed)),
};

function atLeast(gigabytesPerSecond: number): NonNullable<Shape["target"]> {
  return { text: `≥ ${gigabytesPerSecond} GB/s`, minGigabytesPerSecond: gigabytesPerSecond };
}

function scanCase(shape: Shape, seed: number): MicroBenchCase {
  const kernel = testKernel("release");
  const body = chatBody(shape, new Prng(seed));
  const scan = (): void => scanInChunks(kernel, body);
  const parse = (): number => parseAndHash(kernel, body);
  return {
    label: shape.label,
    bytesPerOperation: body.length,
    ...(shape.target && {
      target: {
        text: shape.target.text,
        met: ({ gigabytesPerSecond = 0 }) => gigabytesPerSecond >= (shape.target?.minGigabytesPerSecond ?? 0),
      },
    }),
    kernel: scan,
    baseline: parse,
    baselineName: "JSON.parse, join, encode, kernel hash",
    check: () => checkedIds(kernel, scan, parse),
  };
}

/** A chat request as JSON.stringify writes it. */
function chatBody(shape: Shape, prng: Prng): Buffer {
  const messages = [{ role: "system", content: "You are a helpful assistant." }];
  for (let size = 0; size < shape.size; ) {
    let content = "";
    while (content.length < shape.contentSize) content += shape.text(prng);
    messages.push({ role: messages.length % 2 === 1 ? "user" : "assistant", content });
    size += JSON.stringify(content).length * (shape.isAscii === true ? 6 : 1);
  }
  const text = JSON.stringify({ model: "meta-llama/Llama-3.1-70B-Instruct", temperature: 0.7, stream: true, messages });
  if (shape.isAscii !== true) return Buffer.from(text);
  return Buffer.from(
    text.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
  );
}

/** As a shard does it: each chunk is copied to the shared memory and scanned there. */
function scanInChunks(bed: TestKernel, body: Buffer): void {
  const { kernel, bytes, shardBase } = bed;
  const chunk = shardBase(0) + layout.SHARD_CHUNK;
  beginScan(bed, { blockSize: BLOCK_SIZE, window: WINDOW });
  for (let at = 0; at < body.length; at += layout.CHUNK_SIZE_MAX) {
    const piece = body.subarray(at, at + layout.CHUNK_SIZE_MAX);
    bytes.set(piece, chunk);
    kernel.scanBody(0, WINDOW, piece.length, at + piece.length === body.length ? 1 : 0);
  }
}

/** Where the baseline's canonical bytes lie in the memory, and its ids: tables of the index writer, idle here. */
const PLAIN_BYTES = layout.INDEX_SETS;
const PLAIN_IDS = layout.INDEX_PRIVATE;

/** Hashes the canonical bytes of the messages as found by JSON.parse. Returns the number of whole blocks. */
function parseAndHash({ kernel, bytes }: TestKernel, body: Buffer): number {
  const request = JSON.parse(body.toString("utf8")) as { messages: readonly { role: string; content: string }[] };
  let text = "";
  for (const { role, content } of request.messages) text += role + content;
  const canonical = Buffer.from(text);
  bytes.set(canonical, PLAIN_BYTES);
  return kernel.hashBlocks(
    PLAIN_BYTES,
    Math.min(canonical.length, BLOCK_SIZE * layout.BLOCKS_MAX),
    BLOCK_SIZE,
    PLAIN_IDS,
  );
}

/** Compares the ids of all whole blocks and returns the last one. */
function checkedIds(kernel: TestKernel, scan: () => void, parse: () => number): string {
  scan();
  const count = parse();
  const window = kernel.windowBase(0, WINDOW);
  const result = kernel.view.getUint32(window + layout.WINDOW_RESULT, true);
  if (result !== layout.SCAN_DONE) throw new Error(`the scan ended with ${result}`);
  const idsAt = (at: number): BigUint64Array => new BigUint64Array(kernel.memory.buffer, at, count);
  const plain = idsAt(PLAIN_IDS);
  if (idsAt(window + layout.WINDOW_IDS).some((id, index) => id !== plain[index])) throw new Error("the ids differ");
  return (plain.at(-1) ?? 0n).toString(16);
}
