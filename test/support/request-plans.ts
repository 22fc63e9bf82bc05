/** Random requests for tests of conversations: the pieces in which a body comes, and what must become of them. */
import type { Prng } from "../../src/base/prng.ts";
import { CHAT_PATH, COMPLETIONS_PATH, chatBody } from "./ext-proc-messages.ts";

export interface RequestPlan {
  readonly path: string;
  /** Undefined for a request whose headers end it. */
  readonly body: { readonly pieces: readonly Buffer[]; readonly endsWithTrailers: boolean } | undefined;
  /** Status of the refusal and whether it is due at the first byte, or only when the body ends. */
  readonly fault: { readonly status: number; readonly isSeenAt: "first byte" | "end" } | undefined;
  /** Bytes of the prompt that are charged; undefined when the body is not read. */
  readonly promptSize: number | undefined;
}

/** A plan, of every kind with some weight. Bodies beyond `bodySizeMax` are among them. */
export function drawPlan(prng: Prng, bodySizeMax: number): RequestPlan {
  const prompt = "p".repeat(1 + prng.nextBelow(1_500));
  const read = (path: string, body: Buffer, promptSize: number, fault?: RequestPlan["fault"]): RequestPlan => ({
    path,
    body: drawPieces(prng, body),
    fault,
    promptSize,
  });
  const valid = chatBody(prompt);
  switch (prng.nextBelow(10)) {
    case 0:
      return { path: "/v1/models", body: undefined, fault: undefined, promptSize: undefined };
    case 1:
      return { ...read("/v2/unknown", Buffer.from(prompt), 0), promptSize: undefined };
    case 2:
      return read(CHAT_PATH, Buffer.from(`x${prompt}`), 0, { status: 400, isSeenAt: "first byte" });
    case 3:
      return read(CHAT_PATH, valid.subarray(0, prng.nextBelow(valid.length)), 0, { status: 400, isSeenAt: "end" });
    case 4:
      return read(COMPLETIONS_PATH, Buffer.from(`{"prompt":"${prompt}"}`), 0, { status: 400, isSeenAt: "end" });
    case 5:
      return read(CHAT_PATH, chatBody("l".repeat(bodySizeMax)), 0);
    case 6:
    case 7:
      return read(COMPLETIONS_PATH, Buffer.from(JSON.stringify({ model: "m", prompt })), prompt.length);
    default:
      return read(CHAT_PATH, valid, "user".length + prompt.length);
  }
}

/** The body in up to 6 pieces of random size, empty ones among them. */
function drawPieces(prng: Prng, body: Buffer): RequestPlan["body"] {
  const cuts = Array.from({ length: prng.nextBelow(6) }, () => prng.nextBelow(body.length + 1)).sort((a, b) => a - b);
  const ends = [...cuts, body.length];
  const endsWithTrailers = prng.nextBelow(4) === 0;
  if (body.length === 0 && endsWithTrailers) return { pieces: [], endsWithTrailers };
  return { pieces: ends.map((end, index) => body.subarray(ends[index - 1] ?? 0, end)), endsWithTrailers };
}
