/** What a transport of ext_proc does. What passes through it: platform/grpc-call.ts. */
import type { GrpcCall, GrpcHandler, OpenGrpcCall } from "../../platform/grpc-call.ts";
import type { KeyPair } from "../../platform/tls.ts";

export type { CloseReason, Message } from "../../platform/grpc-call.ts";

/** The method of `envoy.service.ext_proc.v3.ExternalProcessor` that is served. */
export const PROCESS_PATH = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

/** One ext_proc conversation, seen from above. The proxy treats an error by its failure mode. */
export type ExtProcStream = GrpcCall;
export type ExtProcHandler = GrpcHandler;
export type OpenConversation = OpenGrpcCall;

/** What a transport carries at a time. */
export interface TransportLoad {
  /** Connections that take new streams: those that the proxy was not told to replace. */
  readonly connections: number;
  /** Open streams. */
  readonly streams: number;
}

export interface Transport {
  /** The port that is listened on. */
  readonly port: number;
  load(): TransportLoad;
  /**
   * Tells the proxy of one connection to open another in its place, and serves the streams that it has to their end:
   * the one whose part of the open streams comes closest to `share`, 0 to 1 (`connectionToShed`). Returns false, with
   * nothing done, unless two connections have streams.
   */
  shedConnection(share: number): boolean;
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
