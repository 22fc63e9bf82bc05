/**
 * Texts of a system prompt, of which those that begin with `x-anthropic-billing-header` do not count: they change with
 * each request, and the model server drops them. A text's first bytes are held back while they could be that beginning;
 * then the text goes on as any other, or is dropped.
 */
import { SINK_TEXT, TAKE_NOTHING } from "./json-terms";
import { WINDOW_SCAN_SINK, WINDOW_SCAN_STAGED, WINDOW_SCAN_WITHHELD } from "./layout";

const MARK_SIZE: u32 = 26;
/** The bytes of the mark, the first one lowest. */
const MARK_0: u64 = 0x6f7268746e612d78; // x-anthro
const MARK_8: u64 = 0x6c6c69622d636970; // pic-bill
const MARK_16: u64 = 0x646165682d676e69; // ing-head
const MARK_24: u64 = 0x7265; // er

export function beginSystemText(window: usize): void {
  store<u32>(window, 0, WINDOW_SCAN_WITHHELD);
}

/** Takes the next `size` bytes of a text, which lie where the open part goes on. */
export function takeSystemText(window: usize, source: usize, size: u32): void {
  const withheld = load<u32>(window, WINDOW_SCAN_WITHHELD);
  let matched: u32 = 0;
  while (matched < size && withheld + matched < MARK_SIZE) {
    if (<u32>load<u8>(source + matched) != markByte(withheld + matched)) break;
    matched++;
  }
  if (withheld + matched == MARK_SIZE) {
    store<u32>(window, TAKE_NOTHING, WINDOW_SCAN_SINK);
    return;
  }
  if (matched == size) {
    store<u32>(window, withheld + matched, WINDOW_SCAN_WITHHELD);
    return;
  }
  store<u32>(window, SINK_TEXT, WINDOW_SCAN_SINK);
  memory.copy(source + withheld, source, size);
  stageMark(window, source, withheld);
  store<u32>(window, load<u32>(window, WINDOW_SCAN_STAGED) + size, WINDOW_SCAN_STAGED);
}

/** The text is over while it is still held back: then it counts. */
export function endSystemText(window: usize, staging: usize): void {
  stageMark(window, staging + load<u32>(window, WINDOW_SCAN_STAGED), load<u32>(window, WINDOW_SCAN_WITHHELD));
}

/** Appends the first `size` bytes of the mark; `to` is where the open part goes on. */
function stageMark(window: usize, to: usize, size: u32): void {
  for (let i: u32 = 0; i < size; i++) store<u8>(to + i, <u8>markByte(i));
  store<u32>(window, load<u32>(window, WINDOW_SCAN_STAGED) + size, WINDOW_SCAN_STAGED);
}

function markByte(index: u32): u32 {
  let word = MARK_0;
  if (index >= 24) word = MARK_24;
  else if (index >= 16) word = MARK_16;
  else if (index >= 8) word = MARK_8;
  return <u32>(word >> ((<u64>index & 7) << 3)) & 0xff;
}
