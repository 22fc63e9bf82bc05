/**
 * The keys of a prompt by the definition, on the slow XXH64 of `xxh64.ts`: what the kernel's chain is held against, and
 * how tests say which blocks an endpoint holds.
 */
import { blockIds, xxh64 } from "./xxh64.ts";

/** The bytes of a prompt's parts as they are cut into blocks, unescaped. */
export interface PromptParts {
  readonly model?: string;
  readonly salt?: string;
  readonly tools?: string;
  readonly system?: string;
  readonly prompt?: string;
}

/** h₋₁ = XXH64(model ‖ 0 ‖ salt), hᵢ = XXH64(LE64(idᵢ) ‖ LE64(hᵢ₋₁)), parts in the order tools, system, prompt. */
export function promptKeys(parts: PromptParts, blockSize: number): bigint[] {
  const { model = "test-model", salt = "", tools = "", system = "", prompt = "" } = parts;
  const ids = [tools, system, prompt].flatMap((part) => blockIds(Buffer.from(part), blockSize));
  let previous = xxh64(Buffer.from(`${model}\0${salt}`));
  return ids.map((id) => {
    previous = chainedKey(id, previous);
    return previous;
  });
}

function chainedKey(id: bigint, previous: bigint): bigint {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(id, 0);
  bytes.writeBigUInt64LE(previous, 8);
  return xxh64(bytes);
}

/** Bytes of a chat message as they are hashed: its role, then its content. */
export function userText(content: string): string {
  return `user${content}`;
}
