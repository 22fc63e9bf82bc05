/**
 * HPACK's Huffman code (RFC 7541, appendix B), decoding only. The code is canonical: codes of one length are
 * consecutive in the order of their symbols, so that the symbols of each length say all. At load they become an
 * automaton that takes 4 bits per step; a code has at least 5, so that a step ends at most one symbol.
 *
 *  bit 31                      9         8          0
 *  ├──────────────────────────┼──────────┼──────────┤
 *  │ next state × 16          │ symbols  │ symbol   │   one step. symbols: 0 or 1 that this step ends.
 *  └──────────────────────────┴──────────┴──────────┘
 */

const EOS = 256;

/** Symbols by the length of their code in bits; `-` between the ends of a run. */
const SYMBOLS: readonly (readonly [bits: number, symbols: string])[] = [
  [5, "48-50 97 99 101 105 111 115 116"],
  [6, "32 37 45-47 51-57 61 65 95 98 100 102-104 108-110 112 114 117"],
  [7, "58 66-87 89 106 107 113 118-122"],
  [8, "38 42 44 59 88 90"],
  [10, "33 34 40 41 63"],
  [11, "39 43 124"],
  [12, "35 62"],
  [13, "0 36 64 91 93 126"],
  [14, "94 125"],
  [15, "60 96 123"],
  [19, "92 195 208"],
  [20, "128 130 131 162 184 194 224 226"],
  [21, "153 161 167 172 176 177 179 209 216 217 227 229 230"],
  [22, "129 132-134 136 146 154 156 160 163 164 169 170 173 178 181 185-187 189 190 196 198 228 232 233"],
  [23, "1 135 137-141 143 147 149-152 155 157 158 165 166 168 174 175 180 182 183 188 191 197 231 239"],
  [24, "9 142 144 145 148 159 171 206 215 225 236 237"],
  [25, "199 207 234 235"],
  [26, "192 193 200-202 205 210 213 218 219 238 240 242 243 255"],
  [27, "203 204 211 212 214 221-223 241 244-248 250-254"],
  [28, "2-8 11 12 14-21 23-31 127 220 249"],
  [30, `10 13 22 ${EOS}`],
];

/** Fewest bits of a code. */
const CODE_BITS_MIN = 5;
/** Longest padding, all ones. The states after 0 to 7 ones are numbered 0 to 7. */
const PADDING_BITS_MAX = 7;
/** A code tree of 257 leaves has 256 inner nodes, one state each; the last one is for input that contains EOS. */
const DEAD_STATE = 256;
const STATES = 257;
const DEAD_STEP = (DEAD_STATE * 16) << 9;

const STEPS = makeSteps();

/** Room that decoding `size` bytes may need: one more than they can stand for, because each step writes. */
export function huffmanRoomNeeded(size: number): number {
  return Math.floor((size * 8) / CODE_BITS_MIN) + 1;
}

/**
 * Decodes the bytes start … end into `target`, which has room for `huffmanRoomNeeded` of them. Returns their number;
 * undefined if EOS is among them, or if they do not end with a whole code and at most 7 ones behind it.
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number, target: Uint8Array): number | undefined {
  let size = 0;
  /** 16 times the state: the first of its steps. */
  let steps = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    // Written in either case; the next symbol overwrites it unless the step ended one.
    const high = STEPS[steps | (byte >>> 4)] as number;
    target[size] = high;
    size += (high >>> 8) & 1;
    const low = STEPS[(high >>> 9) | (byte & 15)] as number;
    target[size] = low;
    size += (low >>> 8) & 1;
    steps = low >>> 9;
  }
  return steps >>> 4 <= PADDING_BITS_MAX ? size : undefined;
}

/** A node of the code tree: its two branches, each a node or a symbol. */
interface CodeNode {
  state: number;
  readonly branches: [CodeNode | number | undefined, CodeNode | number | undefined];
}

function makeSteps(): Int32Array {
  const root = makeCodeTree();
  const nodes = numberStates(root);
  const steps = new Int32Array(STATES * 16);
  for (const node of nodes) {
    for (let bits = 0; bits < 16; bits++) steps[node.state * 16 + bits] = makeStep(root, node, bits);
  }
  steps.fill(DEAD_STEP, DEAD_STATE * 16);
  return steps;
}

function makeCodeTree(): CodeNode {
  const root: CodeNode = { state: 0, branches: [undefined, undefined] };
  let code = 0;
  let bitsBefore = 0;
  for (const [bits, symbols] of SYMBOLS) {
    code *= 2 ** (bits - bitsBefore);
    bitsBefore = bits;
    for (const symbol of expandRuns(symbols)) plant(root, { bits, code: code++, symbol });
  }
  return root;
}

function expandRuns(symbols: string): number[] {
  return symbols.split(" ").flatMap((run) => {
    const [first = 0, last = first] = run.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

function plant(root: CodeNode, leaf: { readonly bits: number; readonly code: number; readonly symbol: number }): void {
  let node = root;
  for (let bit = leaf.bits - 1; bit > 0; bit--) {
    const branch = (leaf.code >>> bit) & 1;
    const next = node.branches[branch] ?? { state: 0, branches: [undefined, undefined] };
    node.branches[branch] = next;
    node = next as CodeNode;
  }
  node.branches[leaf.code & 1] = leaf.symbol;
}

/** The nodes by state. Ones first, so that the states of valid padding are the first ones. */
function numberStates(root: CodeNode): CodeNode[] {
  const nodes: CodeNode[] = [];
  const visit = (node: CodeNode | number | undefined): void => {
    if (typeof node !== "object") return;
    node.state = nodes.length;
    nodes.push(node);
    visit(node.branches[1]);
    visit(node.branches[0]);
  };
  visit(root);
  return nodes;
}

function makeStep(root: CodeNode, from: CodeNode, bits: number): number {
  let node = from;
  let ended = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const next = node.branches[(bits >>> bit) & 1];
    if (next === EOS) return DEAD_STEP;
    if (typeof next === "object") node = next;
    else {
      ended = 0x100 | (next as number);
      node = root;
    }
  }
  return ((node.state * 16) << 9) | ended;
}
