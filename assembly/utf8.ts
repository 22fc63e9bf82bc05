/** UTF-8 from code points, for text that came escaped. */

/** What TextEncoder writes for a surrogate without its other half. */
export const REPLACEMENT: u32 = 0xfffd;

/** Writes a character as UTF-8 and returns its size. Up to 4 bytes are written whatever the size. */
export function encodeUtf8(to: usize, character: u32): u32 {
  if (character < 0x80) {
    store<u8>(to, <u8>character);
    return 1;
  }
  if (character < 0x800) {
    store<u16>(to, <u16>(0xc0 | (character >> 6) | (continuation(character) << 8)));
    return 2;
  }
  if (character < 0x10000) {
    store<u32>(to, threeBytes(character));
    return 3;
  }
  const first = 0xf0 | (character >> 18);
  const second = continuation(character >> 12);
  store<u32>(to, first | (second << 8) | (continuation(character >> 6) << 16) | (continuation(character) << 24));
  return 4;
}

/** The UTF-8 of a character in U+0800 … U+FFFF, the first byte lowest. */
export function threeBytes(character: u32): u32 {
  return 0xe0 | (character >> 12) | (continuation(character >> 6) << 8) | (continuation(character) << 16);
}

export function isHighSurrogate(unit: u32): bool {
  return (unit & 0xfffffc00) == 0xd800;
}

export function isLowSurrogate(unit: u32): bool {
  return (unit & 0xfffffc00) == 0xdc00;
}

export function joinSurrogates(high: u32, low: u32): u32 {
  return 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff);
}

/** A continuation byte, which holds the lowest six bits. */
function continuation(bits: u32): u32 {
  return 0x80 | (bits & 63);
}
