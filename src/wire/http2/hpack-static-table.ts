/**
 * HPACK's static table (RFC 7541, appendix A): fields that a block names by their index from the first block on.
 * Decoder and encoder read it; the dynamic table's indexes follow it.
 */

export type HeaderField = readonly [name: string, value: string];

const FIELDS_WITH_VALUES: readonly HeaderField[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  [":status", "200"],
  [":status", "204"],
  [":status", "206"],
  [":status", "304"],
  [":status", "400"],
  [":status", "404"],
  [":status", "500"],
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
];

/** From index 17 on no entry has a value. */
const NAMES = `
  accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control
  content-disposition content-encoding content-language content-length content-location content-range content-type
  cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since
  last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after
  server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate`;

/** The first entry has index 1 on the wire and 0 here. */
export const STATIC_FIELDS: readonly HeaderField[] = [
  ...FIELDS_WITH_VALUES,
  ...NAMES.trim()
    .split(/\s+/)
    .map((name): HeaderField => [name, ""]),
];

/** Index on the wire of the dynamic table's newest entry. */
export const DYNAMIC_INDEX_FIRST: number = STATIC_FIELDS.length + 1;
