/** The director of a shard: opens requests and holds what all of them use. */
import { selectParser } from "../parsing/parser.ts";
import type { DirectorContext } from "./context.ts";
import { InferenceRequest } from "./request.ts";

export class Director {
  readonly #context: DirectorContext;

  constructor(context: DirectorContext) {
    this.#context = context;
  }

  /** A new request; `finish` it whatever happens. */
  open(options: { readonly path: string; readonly requestId: string }): InferenceRequest {
    const parser = selectParser(this.#context.parsers, options.path);
    return new InferenceRequest(this.#context, { parser, requestId: options.requestId });
  }
}
