/** The director of a shard: opens requests and holds what all of them use. */
import { selectParser } from "../parsing/parser.ts";
import type { DirectorContext } from "./context.ts";
import { InferenceRequest } from "./request.ts";
import type { RequestOptions } from "./request-options.ts";

export class Director {
  readonly #context: DirectorContext;

  constructor(context: DirectorContext) {
    this.#context = context;
  }

  /** Headers that plugins of the active policy read. The same list until the policy changes. */
  get pluginHeaders(): readonly string[] {
    return this.#context.policies.active.compiled.headers;
  }

  /** The caller's trace headers are wanted. */
  get readsTraceHeaders(): boolean {
    return this.#context.metrics?.readsTraceHeaders === true;
  }

  /** A new request; `finish` it whatever happens. */
  open(options: RequestOptions): InferenceRequest {
    const policy = this.#context.policies.acquire();
    return new InferenceRequest(this.#context, policy, selectParser(policy.parsers, options.path), options);
  }
}
