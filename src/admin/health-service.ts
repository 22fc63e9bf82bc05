/**
 * The gRPC service `grpc.health.v1.Health` over a HealthState: Check answers once, List for all names, Watch now and at
 * each change. The server that it is added to may be one of its own (health-server.ts) or that of ext_proc.
 */
import {
  status as grpcStatus,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { messageOf } from "../base/errors.ts";
import { decodeHealthRequest, encodeHealthList, encodeHealthResponse, type HealthStatus } from "../wire/grpc-health.ts";
import { HEALTH_SERVICES, type HealthState, healthStatus } from "./health-state.ts";

/** Watches that may be open at once; a proxy has one per worker thread, and nobody else has many. */
export const WATCHES_MAX = 1_000;

export interface HealthService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
  /** Ends all watches: an open one would keep its connection open. */
  endWatches(): void;
}

const BYTES_AS_THEY_ARE = {
  requestSerialize: (message: Buffer): Buffer => message,
  requestDeserialize: (bytes: Buffer): Buffer => bytes,
  responseSerialize: (message: Buffer): Buffer => message,
  responseDeserialize: (bytes: Buffer): Buffer => bytes,
} as const;

const DEFINITION: ServiceDefinition = {
  check: {
    path: "/grpc.health.v1.Health/Check",
    requestStream: false,
    responseStream: false,
    ...BYTES_AS_THEY_ARE,
  },
  list: {
    path: "/grpc.health.v1.Health/List",
    requestStream: false,
    responseStream: false,
    ...BYTES_AS_THEY_ARE,
  },
  watch: {
    path: "/grpc.health.v1.Health/Watch",
    requestStream: false,
    responseStream: true,
    ...BYTES_AS_THEY_ARE,
  },
};

type UnaryCall = ServerUnaryCall<Buffer, Buffer>;
type WatchCall = ServerWritableStream<Buffer, Buffer>;

export function createHealthService(state: HealthState): HealthService {
  const watches = new Map<WatchCall, () => void>();
  const statusFor = (service: string): HealthStatus => healthStatus(service, state.facts);
  return {
    definition: DEFINITION,
    implementation: {
      check(call: UnaryCall, answer: sendUnaryData<Buffer>) {
        const service = readService(call, (error) => answer(error));
        if (service !== undefined) answer(null, encodeHealthResponse(statusFor(service)));
      },
      list(_call: UnaryCall, answer: sendUnaryData<Buffer>) {
        answer(null, encodeHealthList(new Map(HEALTH_SERVICES.map((service) => [service, statusFor(service)]))));
      },
      watch(call: WatchCall) {
        const service = readService(call, (error) => void call.emit("error", error));
        if (service === undefined) return;
        if (watches.size >= WATCHES_MAX) {
          const details = `${WATCHES_MAX} watches are open, no more are taken`;
          call.emit("error", { code: grpcStatus.RESOURCE_EXHAUSTED, details });
          return;
        }
        const unwatch = watch(call, state, () => statusFor(service));
        const over = (): void => {
          unwatch();
          watches.delete(call);
        };
        watches.set(call, over);
        for (const event of ["cancelled", "close", "error"]) call.on(event, over);
      },
    },
    endWatches() {
      for (const [call, over] of watches) {
        over();
        call.end();
      }
    },
  };
}

/** Sends the status now and whenever it is another one. To a client that does not read, only the newest is sent. */
function watch(call: WatchCall, state: HealthState, current: () => HealthStatus): () => void {
  let sent: HealthStatus | undefined;
  let isBlocked = false;
  const send = (): void => {
    const status = current();
    if (isBlocked || status === sent) return;
    sent = status;
    isBlocked = !call.write(encodeHealthResponse(status));
  };
  call.on("drain", () => {
    isBlocked = false;
    send();
  });
  send();
  return state.watch(send);
}

/** The service that is asked for; undefined for a message that is none, which has been answered then. */
function readService(
  { request }: { readonly request: Buffer },
  fail: (error: { code: number; details: string }) => void,
): string | undefined {
  try {
    return decodeHealthRequest(request);
  } catch (error) {
    fail({ code: grpcStatus.INVALID_ARGUMENT, details: messageOf(error) });
    return undefined;
  }
}
