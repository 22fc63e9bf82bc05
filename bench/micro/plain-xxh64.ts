/**
 * XXH64 in plain JavaScript, as one writes it to be fast: no BigInt, each 64-bit number as two 32-bit halves. The
 * baseline of `block-hash.bench.ts`. Native hashes of node:crypto are no faster on blocks this small: each call costs
 * more than 1 µs.
 */

const PRIMES = [0x9e3779b1_85ebca87n, 0xc2b2ae3d_27d4eb4fn, 0x165667b1_9e3779f9n, 0x85ebca77_c2b2ae63n] as const;
const [P1L, P2L, P3L, P4L] = PRIMES.map((prime) => Number(prime & 0xffffffffn) | 0) as [number, number, number, number];
const [P1H, P2H, P3H, P4H] = PRIMES.map((prime) => Number(prime >> 32n) | 0) as [number, number, number, number];

/** The result of the last operation on halves. */
let low = 0;
let high = 0;

/**
 * Writes the id of each whole block (a multiple of 32 bytes) to `ids`, low half first. `words` are the bytes as u32.
 */
export function hashBlocksPlainly(words: Int32Array, blockSize: number, ids: Int32Array): void {
  const blockWords = blockSize / 4;
  for (let start = 0, id = 0; start + blockWords <= words.length; start += blockWords, id += 2) {
    hashBlock(words, start, start + blockWords, blockSize);
    ids[id] = low;
    ids[id + 1] = high;
  }
}

const lanes = new Int32Array(8);

function hashBlock(words: Int32Array, start: number, end: number, size: number): void {
  add(P1L, P1H, P2L, P2H);
  keep(0);
  lanes[2] = P2L;
  lanes[3] = P2H;
  lanes[4] = 0;
  lanes[5] = 0;
  add(~P1L, ~P1H, 1, 0);
  keep(6);
  for (let at = start; at < end; at += 8) {
    for (let lane = 0; lane < 8; lane += 2) {
      round(
        lanes[lane] as number,
        lanes[lane + 1] as number,
        words[at + lane] as number,
        words[at + lane + 1] as number,
      );
      keep(lane);
    }
  }
  let sumLow = 0;
  let sumHigh = 0;
  for (const [lane, bits] of [
    [0, 1],
    [2, 7],
    [4, 12],
    [6, 18],
  ] as const) {
    rotateLeft(lanes[lane] as number, lanes[lane + 1] as number, bits);
    add(sumLow, sumHigh, low, high);
    sumLow = low;
    sumHigh = high;
  }
  for (let lane = 0; lane < 8; lane += 2) {
    round(0, 0, lanes[lane] as number, lanes[lane + 1] as number);
    multiply(sumLow ^ low, sumHigh ^ high, P1L, P1H);
    add(low, high, P4L, P4H);
    sumLow = low;
    sumHigh = high;
  }
  add(sumLow, sumHigh, size, 0);
  multiply(low ^ (high >>> 1), high, P2L, P2H);
  multiply(low ^ ((low >>> 29) | (high << 3)), high ^ (high >>> 29), P3L, P3H);
  low ^= high;
}

function keep(lane: number): void {
  lanes[lane] = low;
  lanes[lane + 1] = high;
}

function round(laneLow: number, laneHigh: number, inputLow: number, inputHigh: number): void {
  multiply(inputLow, inputHigh, P2L, P2H);
  add(laneLow, laneHigh, low, high);
  rotateLeft(low, high, 31);
  multiply(low, high, P1L, P1H);
}

function add(oneLow: number, oneHigh: number, otherLow: number, otherHigh: number): void {
  const sum = (oneLow >>> 0) + (otherLow >>> 0);
  low = sum | 0;
  high = (oneHigh + otherHigh + (sum > 0xffffffff ? 1 : 0)) | 0;
}

/** By 1 to 31 bits. */
function rotateLeft(valueLow: number, valueHigh: number, bits: number): void {
  low = (valueLow << bits) | (valueHigh >>> (32 - bits));
  high = (valueHigh << bits) | (valueLow >>> (32 - bits));
}

/** The low 64 bits of the product: 16-bit pieces for the carry of low × low into the high half. */
function multiply(oneLow: number, oneHigh: number, otherLow: number, otherHigh: number): void {
  const one0 = oneLow & 0xffff;
  const one1 = oneLow >>> 16;
  const other0 = otherLow & 0xffff;
  const other1 = otherLow >>> 16;
  const middle = one0 * other1 + ((one0 * other0) >>> 16);
  const carry = one1 * other1 + (middle >>> 16) + ((one1 * other0 + (middle & 0xffff)) >>> 16);
  low = Math.imul(oneLow, otherLow);
  high = (carry + Math.imul(oneLow, otherHigh) + Math.imul(oneHigh, otherLow)) | 0;
}
