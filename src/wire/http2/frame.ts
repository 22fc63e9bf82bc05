/**
 * HTTP/2 frames (RFC 9113, section 4.1 and 6): their heads, types, flags, settings and error codes.
 *
 *  0        3      4       5           9
 *  ├────────┼──────┼───────┼───────────┼─────────┐
 *  │ size   │ type │ flags │ stream    │ payload │
 *  └────────┴──────┴───────┴───────────┴─────────┘
 */

export const FRAME_HEAD_SIZE = 9;
/** Largest payload that a peer takes unless its settings say more. */
export const FRAME_PAYLOAD_SIZE_MAX = 16_384;
/** What a client's first frame comes after. */
export const CLIENT_PREFACE: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
export const STREAM_ID_MAX = 0x7fff_ffff;
/** Flow-control window of a connection, and of a stream before settings come. */
export const WINDOW_SIZE_DEFAULT = 65_535;
export const WINDOW_SIZE_MAX = 0x7fff_ffff;

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const SETTING = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** Why a stream or a connection ends (RFC 9113, section 7). */
export const ERROR_CODE = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

/** Writes a frame's head; the payload follows at `at + FRAME_HEAD_SIZE`. */
export function writeFrameHead(
  out: Buffer,
  at: number,
  size: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  out[at] = size >>> 16;
  out[at + 1] = size >>> 8;
  out[at + 2] = size;
  out[at + 3] = type;
  out[at + 4] = flags;
  out[at + 5] = streamId >>> 24;
  out[at + 6] = streamId >>> 16;
  out[at + 7] = streamId >>> 8;
  out[at + 8] = streamId;
}

/** An unsigned number of 31 bits; the bit above is reserved. */
export function readUint31(bytes: Buffer, at: number): number {
  return readUint32(bytes, at) & 0x7fff_ffff;
}

export function readUint32(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at);
}

/** A whole frame, for what is sent seldom. */
export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = NOTHING): Buffer {
  const bytes = Buffer.alloc(FRAME_HEAD_SIZE + payload.length);
  writeFrameHead(bytes, 0, payload.length, type, flags, streamId);
  bytes.set(payload, FRAME_HEAD_SIZE);
  return bytes;
}

/** A SETTINGS frame; settings by their identifiers. */
export function settingsFrame(settings: ReadonlyMap<number, number>): Buffer {
  const payload = Buffer.alloc(SETTING_SIZE * settings.size);
  let at = 0;
  for (const [id, value] of settings) {
    payload.writeUInt16BE(id, at);
    payload.writeUInt32BE(value, at + 2);
    at += SETTING_SIZE;
  }
  return frame(FRAME.settings, 0, 0, payload);
}

export const SETTING_SIZE = 6;
const NOTHING = new Uint8Array(0);

export function goawayFrame(lastStreamId: number, code: number, debugText = ""): Buffer {
  const payload = Buffer.alloc(8 + Buffer.byteLength(debugText));
  payload.writeUInt32BE(lastStreamId, 0);
  payload.writeUInt32BE(code, 4);
  payload.write(debugText, 8);
  return frame(FRAME.goaway, 0, 0, payload);
}

/** A frame whose payload is one number: WINDOW_UPDATE and RST_STREAM. */
export function numberFrame(type: number, streamId: number, value: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(value, 0);
  return frame(type, 0, streamId, payload);
}
