/**
 * The bytes of one request as they lie in the KV cache: prompt, what the template puts after it, reply so far; cut into
 * blocks. The hashes of the prompt's whole blocks are computed once, at arrival, those of the reply once, at the end.
 */
import { type BlockHash, chainRoot, hashBlocks } from "./block-hashes.ts";
import type { Reply } from "./reply.ts";
import { countTokens, TOKEN_SIZE } from "./tokens.ts";

export interface KvSequenceSource {
  /** Name under which the KV cache keeps the blocks: the base model or an adapter. */
  readonly model: string;
  /** Keeps apart what must not be shared. Empty: shared with all. */
  readonly cacheSalt: string;
  readonly prompt: Buffer;
  /** What the chat template puts between prompt and reply. Takes room in the KV cache; is not counted as prompt. */
  readonly replyPrefix: string;
  readonly reply: Reply;
}

export class KvSequence {
  readonly promptTokens: number;
  readonly promptHashes: readonly BlockHash[];
  readonly #source: KvSequenceSource;
  readonly #root: BlockHash;
  readonly #blockSize: number;

  constructor(source: KvSequenceSource, blockSizeTokens: number) {
    this.#source = source;
    this.#blockSize = blockSizeTokens * TOKEN_SIZE;
    this.#root = chainRoot(source.model, source.cacheSalt);
    this.promptTokens = countTokens(source.prompt.length);
    this.promptHashes = hashBlocks(this.#root, source.prompt, this.#blockSize);
  }

  /** Blocks in use when so many tokens of the reply are there. */
  blockCount(replyTokens: number): number {
    const { prompt, replyPrefix } = this.#source;
    return Math.ceil((prompt.length + replyPrefix.length + replyTokens * TOKEN_SIZE) / this.#blockSize);
  }

  /** The whole blocks that follow the prompt's, when so many tokens of the reply are there. */
  replyHashes(replyTokens: number): BlockHash[] {
    const { prompt, replyPrefix, reply } = this.#source;
    const promptRest = prompt.subarray(this.promptHashes.length * this.#blockSize);
    const replyText = reply.text.slice(0, replyTokens * TOKEN_SIZE);
    const bytes = Buffer.concat([promptRest, Buffer.from(replyPrefix + replyText, "latin1")]);
    return hashBlocks(this.promptHashes.at(-1) ?? this.#root, bytes, this.#blockSize);
  }
}
