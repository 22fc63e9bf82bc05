/** Finds the prompt in a body that is one gRPC message, and says to the client what is wrong with one that is not. */
import { readGrpcFrame } from "../wire/grpc-frame.ts";
import { WireError } from "../wire/wire-error.ts";
import type { FramedPrompt, PromptFinder } from "./parser.ts";

/** The prompt of a whole body; or what is wrong, as a sentence for the client. */
export function readGrpcBody(body: Buffer, findPrompt: PromptFinder): FramedPrompt | string {
  const frame = readGrpcFrame(body);
  if (frame.kind === "cut") return "request body ends in the middle of its gRPC message";
  if (frame.kind === "compressed") return "request body is a compressed gRPC message: send it uncompressed";
  try {
    return findPrompt(frame.message);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return `request body is not the protobuf message of its method: ${error.message}`;
  }
}
