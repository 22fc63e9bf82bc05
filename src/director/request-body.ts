/**
 * The body of one request while it arrives: scanned and hashed in a stream window, or gathered first where its prompt
 * can only be found in the whole. It claims a window with the first byte; `release` returns it.
 *
 * A body that names another model than the one it is sent on under gets an edit: a span and what replaces it.
 */
import { EppError } from "../base/errors.ts";
import { readGrpcBody } from "../parsing/grpc-body.ts";
import type { CustomReader, FramedPrompt, ParserDefinition, PromptFinder } from "../parsing/parser.ts";
import { refuseBody } from "../parsing/scan-faults.ts";
import { layout } from "../wasm/layout.ts";
import type { BodyFacts, ShardMemory } from "../wasm/shard-memory.ts";

/** A span of the body to be replaced before it is sent on. */
export interface BodyEdit {
  readonly start: number;
  readonly end: number;
  readonly replacement: Buffer;
}

/** Whether bytes end the body. `may-be-cut`: they are all that the proxy shows, which may be less than the body. */
export type BodyPlace = "more" | "last" | "may-be-cut";

export interface BodyOptions {
  readonly memory: ShardMemory;
  /** Number of the policy that cuts the prompt into blocks. */
  readonly policy: number;
  /** Undefined when no parser takes the request's path: then there may be no body. */
  readonly parser: ParserDefinition | undefined;
  /** Model to send the request on under; as in the body when absent. */
  readonly rewriteModelTo: string | undefined;
  readonly limits: { readonly requestBodySizeMax: number; readonly modelSizeMax: number };
  /** Headers, for a user's parser and for what they say about videos. */
  readonly header: (name: string) => string | undefined;
  /** Tokens of each video, as the policy takes it from the headers; undefined when they say nothing about videos. */
  readonly videoTokensOf: (header: BodyOptions["header"]) => number | undefined;
}

export class RequestBody {
  readonly #options: BodyOptions;
  #window: number | undefined;
  #size = 0;
  /** The body so far, where it is read once it is whole and came in several pieces: a copy, in its first bytes. */
  #gathered: Buffer = NO_BYTES;
  #gatheredSize = 0;
  /** The proxy showed only the beginning of the body; the decision is made on that. */
  #isCut = false;
  /** As a user's parser found it. */
  #parsedModel: string | undefined;
  #askedModel: string | undefined;
  #isStream = false;
  #edit: BodyEdit | undefined;

  constructor(options: BodyOptions) {
    this.#options = options;
  }

  /** The stream window with the scanned body; undefined when there is nothing in it to be matched. */
  get window(): number | undefined {
    return this.#window;
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /** The model as the client named it; undefined before `read`, and for a body that names none. */
  get askedModel(): string | undefined {
    return this.#askedModel;
  }

  /** Tokens of the prompt, estimated; 0 before the body is whole, and for one without a prompt. */
  get promptTokens(): number {
    return this.#window === undefined ? 0 : this.#options.memory.promptTokens(this.#window, this.#options.policy);
  }

  /** The model that the request is sent on under. */
  get sentModel(): string | undefined {
    return this.#edit === undefined ? this.#askedModel : this.#options.rewriteModelTo;
  }

  get isStream(): boolean {
    return this.#isStream;
  }

  get edit(): BodyEdit | undefined {
    return this.#edit;
  }

  /** Takes the next bytes. Returns why the request is refused, if it is. */
  feed(bytes: Buffer, place: BodyPlace): EppError | undefined {
    this.#size += bytes.length;
    const { parser, limits } = this.#options;
    if (this.#size > limits.requestBodySizeMax) {
      return new EppError("PayloadTooLarge", `request body is larger than ${limits.requestBodySizeMax} bytes`);
    }
    if (parser === undefined) return new EppError("BadRequest", "no parser is configured for this path");
    const { body: reading } = parser;
    switch (reading.kind) {
      case "json":
        return this.#scan(reading.api, bytes, place);
      case "grpc":
        return this.#gather(bytes, place, (body) => this.#scanFramed(body, place, reading.findPrompt));
      case "custom":
        return this.#gather(bytes, place, (body) => this.#scanCustom(body, place, reading.parse));
      case "unread":
        return undefined;
    }
  }

  /** The body is complete: reads what is known of it now. Returns what it lacks, as a refusal. */
  read(): EppError | undefined {
    const { parser, rewriteModelTo, memory } = this.#options;
    if (parser === undefined || this.#window === undefined) return undefined;
    const found = memory.facts(this.#window);
    const facts = this.#parsedModel === undefined ? found : { ...found, model: this.#parsedModel };
    // Where a model is optional, an empty name is none.
    this.#askedModel = facts.model || undefined;
    this.#isStream = facts.isStream;
    const missing = this.#isCut ? undefined : parser.findMissing(facts);
    if (missing !== undefined) return new EppError("BadRequest", missing);
    if (rewriteModelTo !== undefined && rewriteModelTo !== facts.model) return this.#rewrite(facts, rewriteModelTo);
    return undefined;
  }

  /** Returns the window. Does nothing when there is none. */
  release(): void {
    this.#gathered = NO_BYTES;
    this.#gatheredSize = 0;
    if (this.#window === undefined) return;
    this.#options.memory.releaseWindow(this.#window);
    this.#window = undefined;
  }

  /** Scans the next bytes of the body, or of the prompt in it, which begins at `start`. */
  #scan(api: number, bytes: Buffer, place: BodyPlace, start = 0): EppError | undefined {
    const { memory, policy, header, videoTokensOf } = this.#options;
    this.#window ??= memory.acquireWindow(api, policy, videoTokensOf(header));
    if (this.#window === undefined) {
      const message = "too many request bodies are arriving at once; try again";
      return new EppError("ResourceExhausted", message, { droppedReason: "rejected-saturated" });
    }
    const fault = memory.feed(this.#window, bytes, place !== "more");
    if (fault === undefined) return undefined;
    this.#isCut = place === "may-be-cut" && fault.result === layout.SCAN_CUT;
    return this.#isCut ? undefined : refuseBody({ ...fault, offset: start + fault.offset });
  }

  /** Keeps the body until it is whole, then reads it. What `read` gets may be used during the call only. */
  #gather(bytes: Buffer, place: BodyPlace, read: (body: Buffer) => EppError | undefined): EppError | undefined {
    if (place !== "more" && this.#gatheredSize === 0) return read(bytes);
    const size = this.#gatheredSize + bytes.length;
    if (size > this.#gathered.length) {
      const larger = Buffer.allocUnsafe(Math.min(2 * size, this.#options.limits.requestBodySizeMax));
      larger.set(this.#gathered.subarray(0, this.#gatheredSize));
      this.#gathered = larger;
    }
    this.#gathered.set(bytes, this.#gatheredSize);
    this.#gatheredSize = size;
    return place === "more" ? undefined : read(this.#gathered.subarray(0, size));
  }

  #scanFramed(body: Buffer, place: BodyPlace, findPrompt: PromptFinder): EppError | undefined {
    const prompt = readGrpcBody(body, findPrompt);
    if (typeof prompt !== "string") return this.#scanPrompt(body, prompt);
    this.#isCut = place === "may-be-cut";
    return this.#isCut ? undefined : new EppError("BadRequest", prompt);
  }

  /** A body that the user's parser cannot read is sent on unread. */
  #scanCustom(body: Buffer, place: BodyPlace, parse: CustomReader): EppError | undefined {
    const parsed = parse(body, this.#options.header);
    if (parsed === undefined) return undefined;
    const { model, prompt = "", isStream = false } = parsed;
    const { memory, limits } = this.#options;
    if (model !== undefined && Buffer.byteLength(model) > limits.modelSizeMax) {
      return new EppError("BadRequest", `the model name has more than ${limits.modelSizeMax} bytes`);
    }
    const bytes = typeof prompt === "string" ? Buffer.from(prompt) : Buffer.from(prompt);
    this.#isCut = place === "may-be-cut";
    const refusal = this.#scanPrompt(body, { api: layout.API_RAW_TEXT, bytes, isStream, outputCap: undefined });
    if (refusal !== undefined || this.#window === undefined || !model) return refusal;
    memory.setModel(this.#window, model);
    this.#parsedModel = model;
    return undefined;
  }

  #scanPrompt(body: Buffer, prompt: FramedPrompt): EppError | undefined {
    const isView = prompt.bytes.buffer === body.buffer;
    const start = isView ? prompt.bytes.byteOffset - body.byteOffset : 0;
    const refusal = this.#scan(prompt.api, prompt.bytes, "last", start);
    if (refusal === undefined && this.#window !== undefined) this.#options.memory.addFacts(this.#window, prompt);
    return refusal;
  }

  /**
   * The prompt belongs to the model that the request is sent on under. The body says so, too, where it names a model
   * and the name can be exchanged: inside of a message, sizes would change that stand before it.
   */
  #rewrite({ model, modelSpan }: BodyFacts, name: string): EppError | undefined {
    const { memory, parser, limits } = this.#options;
    if (Buffer.byteLength(name) > limits.modelSizeMax) {
      return new EppError("BadRequest", `the model name to rewrite to has more than ${limits.modelSizeMax} bytes`);
    }
    if (model !== undefined && parser?.body.kind !== "json") return undefined;
    if (this.#window !== undefined) memory.setModel(this.#window, name);
    if (model === undefined) {
      this.#askedModel = name;
      return undefined;
    }
    this.#edit = { ...modelSpan, replacement: Buffer.from(JSON.stringify(name).slice(1, -1)) };
    return undefined;
  }
}

const NO_BYTES: Buffer = Buffer.alloc(0);
