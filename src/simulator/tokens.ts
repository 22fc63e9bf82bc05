/**
 * Tokens without a tokenizer: four bytes are a token, about what byte-pair encodings make of English. A last, shorter
 * piece counts as one. Replies are made of tokens of exactly this size, so that a reply that returns inside the next
 * prompt falls into the same blocks.
 */

export const TOKEN_SIZE = 4;

export function countTokens(size: number): number {
  return Math.ceil(size / TOKEN_SIZE);
}
