/**
 * A gRPC call as a server's method sees it, whoever carries it: bytes of messages in and out. Nothing above it knows
 * HTTP/2, and what carries it knows nothing of what the bytes mean. One shape serves all four kinds of methods.
 *
 *   open ─► (onMessage | onMessagePiece … onMessagePiece)… ─► onHalfClose? ─► onClose     one onClose, always last
 */

/** One message: its bytes, or the pieces in which they lie, in order. */
export type Message = Buffer | readonly Buffer[];

/** A message in one piece. */
export function joined(message: Message): Buffer {
  return message instanceof Uint8Array ? message : Buffer.concat(message);
}

/** Status codes that are given here (grpc.github.io, "Status codes and their use in gRPC"). */
export const GRPC_STATUS = {
  ok: 0,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  resourceExhausted: 8,
  unimplemented: 12,
} as const;

/** What a method does with its call. */
export interface GrpcCall {
  /**
   * Sends one message. Its bytes have been copied when this returns. After `end` or `fail`, and once closed, nothing is
   * sent.
   */
  send(message: Message): void;
  /**
   * Asks for one call of `onReady`: in a later turn, once the client takes more. Whoever has much to send does so part
   * by part, and holds up nobody.
   */
  requestReady(): void;
  /** Ends the call with status OK. */
  end(): void;
  /** Ends the call with an error: a GRPC_STATUS, unknown when absent. */
  fail(message: string, code?: number): void;
}

/** Why a call is over. */
export type CloseReason = "ended" | "cancelled";

/** What a method hears of its call. */
export interface GrpcHandler {
  /** A whole message. Its bytes are valid during the call only. */
  onMessage(message: Buffer): void;
  /**
   * The next bytes of a large message, of which `left` more come; the first piece of a message comes after the last one
   * of another. The bytes are valid during the call only. Any message may be given whole instead.
   */
  onMessagePiece(bytes: Buffer, left: number): void;
  /** The client will send nothing more, and may still read. */
  onHalfClose(): void;
  /** More may be sent, as `requestReady` asked; for whoever asks. */
  onReady?(): void;
  onClose(reason: CloseReason): void;
}

/** A method: called when a call of it begins. */
export type OpenGrpcCall = (call: GrpcCall) => GrpcHandler;

/** Methods by path, as "/package.Service/Method". */
export type GrpcRoutes = ReadonlyMap<string, OpenGrpcCall>;
