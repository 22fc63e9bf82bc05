/** Sentences for clients whose body lacks what its API needs. Undefined: nothing is missing. */
import type { BodyFacts } from "../wasm/shard-memory.ts";

/** Needs the name of a model. */
export function missingModel({ model }: BodyFacts): string | undefined {
  return model === undefined || model === "" ? "model not found in request body" : undefined;
}

/** Needs at least one element of the list `field`. */
export function missingElements({ messageCount }: BodyFacts, field: string): string | undefined {
  return messageCount === 0 ? `request body has no ${field}: at least one is required` : undefined;
}

/** Needs a prompt that is not empty. `field`: what it is called. `kinds`: what it may be. */
export function missingPrompt({ hasPrompt }: BodyFacts, field: string, kinds: string): string | undefined {
  return hasPrompt ? undefined : `request body has no ${field}: ${kinds} is required`;
}

/** For APIs whose body is not read. */
export function nothingMissing(): undefined {
  return undefined;
}
