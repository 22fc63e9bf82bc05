/** Token usage of gRPC responses: counts in their messages, or what another format finds in the bodies they carry. */
import { GrpcFrameReader } from "../wire/grpc-frame.ts";
import type { TokenCounts } from "../wire/vllm-engine.ts";
import { WireError } from "../wire/wire-error.ts";
import type { Usage, UsageFormat } from "./usage.ts";

/** Bytes of a message that is read: some 300,000 generated tokens. What a larger one cost stays unknown. */
const MESSAGE_SIZE_MAX = 1_048_576;

/** Messages that say what has been spent so far; the last one that does counts. */
export function grpcCounts(read: (message: Buffer) => TokenCounts | undefined): UsageFormat {
  return {
    open() {
      let counts: TokenCounts | undefined;
      const frames = frameReader((message) => (counts = read(message) ?? counts));
      return { push: (piece) => frames.push(piece), read: () => counts && usageOf(counts) };
    },
  };
}

/** Messages that carry pieces of a body, whose usage has the format `inner`. */
export function grpcBodies(read: (message: Buffer) => Buffer, inner: UsageFormat): UsageFormat {
  return {
    open() {
      const body = inner.open();
      const frames = frameReader((message) => body.push(read(message)));
      return { push: (piece) => frames.push(piece), read: (isEventStream) => body.read(isEventStream) };
    },
  };
}

/** A message that cannot be read says nothing about usage. The response goes its way all the same. */
function frameReader(onMessage: (message: Buffer) => void): GrpcFrameReader {
  return new GrpcFrameReader({
    messageSizeMax: MESSAGE_SIZE_MAX,
    onMessage(message) {
      try {
        onMessage(message);
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
      }
    },
  });
}

function usageOf({ promptTokens, completionTokens, cachedTokens }: TokenCounts): Usage {
  return { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens, cachedTokens };
}
