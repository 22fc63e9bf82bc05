/** Reads the list of models that an endpoint serves, in OpenAI's shape: `{"data": [{"id": "…"}, …]}`. */
import { messageOf } from "../base/errors.ts";
import type { AnswerReader, PollFailure } from "./poll.ts";

/** A larger list is a failure. An entry has some 500 bytes, so it holds about 2,000 models. */
const MODEL_LIST_SIZE_MAX = 1024 * 1024;

export class ModelsReader implements AnswerReader {
  readonly accept = "application/json";
  readonly bodySizeMax: number = MODEL_LIST_SIZE_MAX;
  #pieces: Buffer[] = [];
  #last: Buffer | undefined;
  #models: readonly string[] | undefined;

  /** Undefined before the first list. The same array while the list stays the same. */
  get models(): readonly string[] | undefined {
    return this.#models;
  }

  readonly onBody = (bytes: Buffer, from: number, end: number): void => {
    this.#pieces.push(Buffer.from(bytes.subarray(from, end)));
  };

  finish(): PollFailure | undefined {
    const body = Buffer.concat(this.#pieces);
    this.giveUp();
    if (this.#last?.equals(body) === true) return undefined;
    try {
      const models = readModels(JSON.parse(body.toString("utf8")));
      const isSame = models.length === this.#models?.length && models.every((id, at) => id === this.#models?.[at]);
      if (!isSame) this.#models = models;
      this.#last = body;
      return undefined;
    } catch (error) {
      return { kind: "unanswered", reason: `its list of models cannot be read: ${messageOf(error)}` };
    }
  }

  giveUp(): void {
    this.#pieces = [];
  }
}

function readModels(list: unknown): string[] {
  const data = (list as { data?: unknown } | null)?.data;
  if (!Array.isArray(data)) throw new Error('it has no list "data"');
  const ids = data.map((entry: unknown) => (entry as { id?: unknown } | null)?.id);
  return [...new Set(ids.filter((id) => typeof id === "string"))];
}
