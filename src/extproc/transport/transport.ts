/**
 * What a transport of ext_proc gives and takes: bytes of whole messages. Nothing above it knows gRPC, and a transport
 * knows nothing of what the bytes mean.
 *
 *   open ─► onMessage … onMessage ─► onHalfClose? ─► onClose            exactly one onClose, always last
 */
import type { KeyPair } from "../../platform/tls.ts";

/** One ext_proc conversation, seen from above. */
export interface ExtProcStream {
  /** Sends one message. Bytes are not changed afterwards. After `end` or `fail`, and once closed, nothing is sent. */
  send(message: Buffer): void;
  /** Ends the stream with status OK. */
  end(): void;
  /** Ends the stream with an error status, which the proxy treats by its failure mode. */
  fail(message: string): void;
}

/** Why a stream is over. */
export type CloseReason = "ended" | "cancelled";

export interface ExtProcHandler {
  onMessage(message: Buffer): void;
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
