/** The director of a shard: opens requests and holds what all of them use. */
import { selectParser } from "../parsing/parser.ts";
import type { DirectorContext } from "./context.ts";
import { InferenceRequest, type RequestOptions } from "./request.ts";

export class Director {
  readonly #context: DirectorContext;

  constructor(context: DirectorContext) {
    this.#context = context;
  }

  /** A new request; `finish` it whatever happens. */
  open({ path, ...options }: { readonly path: string } & Omit<RequestOptions, "parser">): InferenceRequest {
    const parser = selectParser(this.#context.parsers, path);
    return new InferenceRequest(this.#context, { ...options, parser });
  }
}
