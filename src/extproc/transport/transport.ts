/**
 * What a transport of ext_proc gives and takes: bytes of messages. Nothing above it knows gRPC, and a transport knows
 * nothing of what the bytes mean.
 *
 *   open ─► (onMessage | onMessagePiece … onMessagePiece)… ─► onHalfClose? ─► onClose     exactly one onClose, always last
 */
import type { KeyPair } from "../../platform/tls.ts";

/** One message: its bytes, or the pieces in which they lie, in order. */
export type Message = Buffer | readonly Buffer[];

/** A message in one piece. */
export function joined(message: Message): Buffer {
  return message instanceof Uint8Array ? message : Buffer.concat(message);
}

/** One ext_proc conversation, seen from above. */
export interface ExtProcStream {
  /**
   * Sends one message. Its bytes have been copied when this returns. After `end` or `fail`, and once closed, nothing is
   * sent.
   */
  send(message: Message): void;
  /** Ends the stream with status OK. */
  end(): void;
  /** Ends the stream with an error status, which the proxy treats by its failure mode. */
  fail(message: string): void;
}

/** Why a stream is over. */
export type CloseReason = "ended" | "cancelled";

export interface ExtProcHandler {
  /** A whole message. It lies in a larger buffer, which stays in memory as long as the message is kept: copy instead. */
  onMessage(message: Buffer): void;
  /**
   * The next bytes of a large message, of which `left` more come; the first piece of a message comes after the last one
   * of another. The bytes are valid during the call only. A transport may give any message whole instead.
   */
  onMessagePiece(bytes: Buffer, left: number): void;
  /** The proxy will send nothing more, and may still read. */
  onHalfClose(): void;
  onClose(reason: CloseReason): void;
}

export type OpenConversation = (stream: ExtProcStream) => ExtProcHandler;

export interface Transport {
  /** The port that is listened on. */
  readonly port: number;
  /**
   * Takes no new connections or streams; resolves when the open ones have ended, or after `graceMs` at the latest, with
   * the number of those that are still open.
   */
  drain(graceMs: number): Promise<number>;
  /** New connections see this certificate; open ones stay as they are. */
  replaceCertificate(keyPair: KeyPair): void;
  /** Closes everything at once. */
  close(): Promise<void>;
}
