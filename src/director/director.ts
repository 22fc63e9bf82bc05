/** The director of a shard: opens requests and holds what all of them use. */
import { type ParserDefinition, selectParser } from "../parsing/parser.ts";
import type { DirectorContext } from "./context.ts";
import type { HeldPolicy } from "./policy-set.ts";
import { InferenceRequest } from "./request.ts";
import type { RequestOptions } from "./request-options.ts";

export class Director {
  readonly #context: DirectorContext;
  /** The parser of the last request, and what it was chosen by. */
  #lastPath: string | undefined;
  #lastParsers: readonly ParserDefinition[] | undefined;
  #lastParser: ParserDefinition | undefined;

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
    return new InferenceRequest(this.#context, policy, this.#parserFor(policy, options.path), options);
  }

  /** Requests for one path mostly follow each other. */
  #parserFor({ parsers }: HeldPolicy, path: string): ParserDefinition | undefined {
    if (path !== this.#lastPath || parsers !== this.#lastParsers) {
      this.#lastParser = selectParser(parsers, path);
      this.#lastPath = path;
      this.#lastParsers = parsers;
    }
    return this.#lastParser;
  }
}
