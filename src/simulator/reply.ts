/**
 * What the model "says": words of three letters and a space, one token each, and a length. Both depend on seed, model
 * and prompt alone, so that the same question gets the same answer from every server, whatever else is going on: two
 * routing policies can be compared on exactly the same work.
 */
import { hash } from "node:crypto";
import { Prng } from "../base/prng.ts";

export interface Reply {
  /** ASCII, TOKEN_SIZE characters per token. */
  readonly text: string;
  readonly tokenCount: number;
  /** `length`: the cut-off came before the drawn end. */
  readonly finishReason: "stop" | "length";
}

export interface ReplyLimits {
  /** The reply ends here at the latest. */
  readonly cutoffTokens: number;
  /** Range of the drawn length. */
  readonly replyTokensMin: number;
  readonly replyTokensMax: number;
  /** Go on to the cut-off, as vLLM's request field `ignore_eos` asks. */
  readonly ignoresEnd: boolean;
}

export function drawReply(seed: number, model: string, prompt: Buffer, limits: ReplyLimits): Reply {
  const prng = new Prng(seed).fork(model + hash("sha256", prompt, "hex"));
  const drawnTokens = limits.replyTokensMin + prng.nextBelow(limits.replyTokensMax - limits.replyTokensMin + 1);
  const isCut = limits.ignoresEnd || drawnTokens > limits.cutoffTokens;
  const tokenCount = isCut ? limits.cutoffTokens : drawnTokens;
  const words = Array.from({ length: tokenCount }, () => `${WORDS[prng.nextBelow(WORDS.length)]} `);
  return { text: words.join(""), tokenCount, finishReason: isCut ? "length" : "stop" };
}

const WORDS = (
  "air all and any arm art ash bee big box cap cat cup day dew dot ear egg elm end eye far fig fir fog fox gem hat " +
  "hay hen hut ice ink ivy jam jar joy key kit lap leg log map mud net new nut oak oat old one our owl pan pea pen " +
  "pie pin pod pot ram ray red rib rim row rye sea sky sun tea ten tie tin toe toy two urn van vat via vow wax web " +
  "wet yes yew zip"
).split(" ");
