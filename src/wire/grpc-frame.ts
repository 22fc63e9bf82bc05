/**
 * Messages in gRPC frames, as they stand in HTTP/2 bodies:
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
 *
 *  0       1          5
 *  ├───────┼──────────┼──────────────────┐
 *  │ flags │ size u32 │ message          │   flags: 0, or 1 for a compressed message. size: high byte first.
 *  └───────┴──────────┴──────────────────┘
 */

const HEAD_SIZE = 5;

/** What stands at the beginning of a body that should be one frame. */
export type GrpcFrame =
  | { readonly kind: "message"; readonly message: Buffer }
  /** It is a frame, but what it holds cannot be read. */
  | { readonly kind: "compressed" }
  /** The body ends before the frame does. */
  | { readonly kind: "cut" };

/** The first frame of a body. What follows it is not looked at. */
export function readGrpcFrame(body: Buffer): GrpcFrame {
  if (body.length < HEAD_SIZE) return { kind: "cut" };
  if (body[0] !== 0) return { kind: "compressed" };
  const end = HEAD_SIZE + body.readUInt32BE(1);
  return end > body.length ? { kind: "cut" } : { kind: "message", message: body.subarray(HEAD_SIZE, end) };
}

/** Takes messages out of a stream of frames that is cut anywhere. What it keeps of a piece is a copy. */
export class GrpcFrameReader {
  readonly #messageSizeMax: number;
  readonly #onMessage: (message: Buffer) => void;
  /** Bytes of the frame at hand: its head, then, unless it is passed over, its message. */
  #pieces: Buffer[] = [];
  #size = 0;
  /** Bytes of the message at hand, undefined while its head is not whole. */
  #messageSize: number | undefined;
  #isPassedOver = false;

  /** Compressed messages and those of more than `messageSizeMax` bytes are passed over. */
  constructor(options: { readonly messageSizeMax: number; readonly onMessage: (message: Buffer) => void }) {
    this.#messageSizeMax = options.messageSizeMax;
    this.#onMessage = options.onMessage;
  }

  push(piece: Buffer): void {
    let at = 0;
    while (at < piece.length || this.#messageSize === 0) {
      const wanted = (this.#messageSize ?? HEAD_SIZE) - this.#size;
      const taken = piece.subarray(at, at + wanted);
      at += taken.length;
      this.#size += taken.length;
      const isCut = taken.length < wanted;
      if (!this.#isPassedOver) this.#pieces.push(isCut ? Buffer.from(taken) : taken);
      if (isCut) return;
      if (this.#messageSize === undefined) this.#endHead();
      else this.#endMessage();
    }
  }

  #endHead(): void {
    const head = this.#join();
    this.#messageSize = head.readUInt32BE(1);
    this.#isPassedOver = head[0] !== 0 || this.#messageSize > this.#messageSizeMax;
  }

  #endMessage(): void {
    const isPassedOver = this.#isPassedOver;
    const message = this.#join();
    this.#messageSize = undefined;
    this.#isPassedOver = false;
    if (!isPassedOver) this.#onMessage(message);
  }

  #join(): Buffer {
    const joined = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#size = 0;
    return joined;
  }
}
