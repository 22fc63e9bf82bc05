/**
 * Methods over message bytes as a service of a grpc-js server. All are served as streams in both directions, which on
 * the wire the other kinds are, too. grpc-js neither encodes nor decodes messages, and gives them whole.
 */
import type { ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { type CloseReason, GRPC_STATUS, type GrpcHandler, type GrpcRoutes, type OpenGrpcCall } from "./grpc-call.ts";

export type GrpcJsCall = ServerDuplexStream<Buffer, Buffer>;

/** For `Server.addService`. */
export interface GrpcJsService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** Hears of calls that begin and end. */
export interface CallListener {
  readonly onOpened?: (call: GrpcJsCall) => void;
  readonly onOver?: (call: GrpcJsCall) => void;
}

export function grpcJsService(routes: GrpcRoutes, { onOpened, onOver }: CallListener = {}): GrpcJsService {
  const methods = [...routes].map(([path, open]) => {
    const handle = (call: GrpcJsCall): void => {
      onOpened?.(call);
      serve(call, open, () => onOver?.(call));
    };
    return [path, { path, ...BYTES_IN_STREAMS }, handle] as const;
  });
  return {
    definition: Object.fromEntries(methods.map(([path, method]) => [path, method])),
    implementation: Object.fromEntries(methods.map(([path, , handle]) => [path, handle])),
  };
}

const BYTES_IN_STREAMS = {
  requestStream: true,
  responseStream: true,
  requestSerialize: (message: Buffer): Buffer => message,
  requestDeserialize: (bytes: Buffer): Buffer => bytes,
  responseSerialize: (message: Buffer): Buffer => message,
  responseDeserialize: (bytes: Buffer): Buffer => bytes,
} as const;

/** Connects one call to its method; `onOver` is called once when the call is over. */
function serve(call: GrpcJsCall, open: OpenGrpcCall, onOver: () => void): void {
  let isOpen = true;
  const close = (reason: CloseReason): void => {
    if (!isOpen) return;
    isOpen = false;
    handler.onClose(reason);
    onOver();
  };
  let wantsReady = false;
  const tellReady = (): void => {
    if (!isOpen || !wantsReady) return;
    wantsReady = false;
    handler.onReady?.();
  };
  const handler: GrpcHandler = open({
    send(message) {
      // grpc-js may keep what it gets. A client that does not read its answers pauses its own call. Others go on.
      if (isOpen && !call.write(Buffer.concat(message instanceof Uint8Array ? [message] : message))) call.pause();
    },
    requestReady() {
      wantsReady = true;
      if (!call.writableNeedDrain) setImmediate(tellReady);
    },
    end() {
      if (!isOpen) return;
      call.end();
      close("ended");
    },
    fail(message, code = GRPC_STATUS.unknown) {
      if (!isOpen) return;
      // What is emitted is heard below, too.
      close("ended");
      call.emit("error", { code, details: message });
    },
  });
  call.on("data", (message: Buffer) => {
    if (isOpen) handler.onMessage(message);
  });
  call.on("drain", () => {
    call.resume();
    if (wantsReady) tellReady();
  });
  call.on("end", () => afterTurns(TURNS_UNTIL_CANCELLED, () => isOpen && handler.onHalfClose()));
  call.on("cancelled", () => close("cancelled"));
  call.on("error", () => close("cancelled"));
}

/**
 * grpc-js shows a cancelled stream as one that was half-closed, and only a turn or two of the event loop later as
 * cancelled. So a half-close is believed after that.
 */
const TURNS_UNTIL_CANCELLED = 3;

function afterTurns(turns: number, task: () => void): void {
  if (turns === 0) task();
  else setImmediate(() => afterTurns(turns - 1, task));
}
