/**
 * The one error that decoders of this folder throw for bytes that break their format. Whoever reads from a peer catches
 * it and ends that conversation; anything else that escapes a decoder is a fault of ours.
 */

/**
 * - `truncated`: a field ends after its message does.
 * - `varint-overflow`: a number of more than 64 bits.
 * - `field-number`: a field number of 0, or above 2^29 − 1.
 * - `wire-type`: a group, a wire type that does not exist, or a known field in another encoding than its own.
 * - `limit`: well formed, but deeper or with more entries than the decoder's named maximum.
 * - `repeated`: well formed, but replaces what has been passed on already.
 */
export type WireErrorCode = "truncated" | "varint-overflow" | "field-number" | "wire-type" | "limit" | "repeated";

export class WireError extends Error {
  override readonly name = "WireError";
  readonly code: WireErrorCode;

  constructor(code: WireErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
