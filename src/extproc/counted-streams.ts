/** Lets each ext_proc stream be counted by the gRPC status with which it ends. Wraps what opens conversations. */
import type { CloseReason, ExtProcHandler, ExtProcStream, OpenConversation } from "./transport/transport.ts";

/** Status codes, by their names in gRPC. */
export type StreamCode = "OK" | "Canceled" | "Unknown";

/** Called when a stream opens; what it returns is called once when the stream is over. */
export type StreamCounter = () => (code: StreamCode) => void;

export function countStreams(open: OpenConversation, counter: StreamCounter): OpenConversation {
  return (stream) => {
    const onOver = counter();
    let hasFailed = false;
    const counted: ExtProcStream = {
      send: (message) => stream.send(message),
      requestReady: () => stream.requestReady(),
      end: () => stream.end(),
      fail(message) {
        hasFailed = true;
        stream.fail(message);
      },
    };
    const handler = open(counted);
    return {
      onMessage: (message) => handler.onMessage(message),
      onMessagePiece: (bytes, left) => handler.onMessagePiece(bytes, left),
      onHalfClose: () => handler.onHalfClose(),
      onReady: () => handler.onReady?.(),
      onClose(reason: CloseReason) {
        handler.onClose(reason);
        onOver(hasFailed ? "Unknown" : reason === "cancelled" ? "Canceled" : "OK");
      },
    } satisfies ExtProcHandler;
  };
}
