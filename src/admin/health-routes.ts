/**
 * The methods of `grpc.health.v1.Health` over a HealthState: Check answers once, List for all names, Watch now and at
 * each change. They are served on a port of their own (health-server.ts) or on that of ext_proc.
 */
import { messageOf } from "../base/errors.ts";
import { GRPC_STATUS, type GrpcCall, type GrpcHandler, type GrpcRoutes } from "../platform/grpc-call.ts";
import { decodeHealthRequest, encodeHealthList, encodeHealthResponse, type HealthStatus } from "../wire/grpc-health.ts";
import { HEALTH_SERVICES, type HealthState, healthStatus } from "./health-state.ts";

/** Watches that may be open at once; a proxy has one per worker thread, and nobody else has many. */
export const WATCHES_MAX = 1_000;

export interface HealthRoutes {
  readonly routes: GrpcRoutes;
  /** Ends all watches: an open one would keep its connection open. */
  endWatches(): void;
}

export function healthRoutes(state: HealthState): HealthRoutes {
  const watches = new Map<GrpcCall, () => void>();
  const statusFor = (service: string): HealthStatus => healthStatus(service, state.facts);
  const watch = (call: GrpcCall, service: string): void => {
    if (watches.size >= WATCHES_MAX) {
      return call.fail(`${WATCHES_MAX} watches are open, no more are taken`, GRPC_STATUS.resourceExhausted);
    }
    let sent: HealthStatus | undefined;
    const send = (): void => {
      const status = statusFor(service);
      if (status === sent) return;
      sent = status;
      call.send(encodeHealthResponse(status));
    };
    watches.set(call, state.watch(send));
    send();
  };
  const unwatch = (call: GrpcCall): void => {
    watches.get(call)?.();
    watches.delete(call);
  };
  const once = (answer: (service: string) => Buffer) => (call: GrpcCall, service: string) => {
    call.send(answer(service));
    call.end();
  };
  const method = (answer: (call: GrpcCall, service: string) => void) => (call: GrpcCall) =>
    handler(call, answer, unwatch);
  return {
    routes: new Map([
      ["/grpc.health.v1.Health/Check", method(once((service) => encodeHealthResponse(statusFor(service))))],
      [
        "/grpc.health.v1.Health/List",
        method(once(() => encodeHealthList(new Map(HEALTH_SERVICES.map((name) => [name, statusFor(name)]))))),
      ],
      ["/grpc.health.v1.Health/Watch", method(watch)],
    ]),
    endWatches() {
      for (const call of [...watches.keys()]) {
        unwatch(call);
        call.end();
      }
    },
  };
}

/** A request is one message, and small. */
function handler(
  call: GrpcCall,
  answer: (call: GrpcCall, service: string) => void,
  onClose: (call: GrpcCall) => void,
): GrpcHandler {
  let isAnswered = false;
  const take = (message: Buffer): void => {
    if (isAnswered) return call.fail("a health request is one message", GRPC_STATUS.invalidArgument);
    isAnswered = true;
    let service: string;
    try {
      service = decodeHealthRequest(message);
    } catch (error) {
      return call.fail(messageOf(error), GRPC_STATUS.invalidArgument);
    }
    answer(call, service);
  };
  return {
    onMessage: take,
    onMessagePiece: () => call.fail("a health request holds the name of a service", GRPC_STATUS.invalidArgument),
    onHalfClose() {
      if (!isAnswered) call.fail("a health request is one message", GRPC_STATUS.invalidArgument);
    },
    onClose: () => onClose(call),
  };
}
