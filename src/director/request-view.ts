/**
 * The view of one request that plugins get: the director fills it in as more becomes known. Made only for a policy with
 * a plugin that looks at requests.
 */
import type { DataKey } from "../framework/attributes.ts";
import type { RequestView } from "../framework/request.ts";

/** Values of headers by name; undefined for one that was not sent, or that no plugin declared. */
export type HeaderLookup = (name: string) => string | undefined;

export interface ViewOptions {
  readonly requestId: string;
  readonly path: string;
  readonly priority: number;
  readonly receivedAtMs: number;
  readonly header: HeaderLookup;
}

export class PluginRequest implements RequestView {
  readonly requestId: string;
  readonly path: string;
  readonly priority: number;
  readonly receivedAtMs: number;
  fairnessId = "";
  model: string | undefined;
  isStream = false;
  bodySize = 0;
  promptTokens = 0;
  readonly #header: HeaderLookup;
  #attributes: Map<string, unknown> | undefined;

  constructor({ requestId, path, priority, receivedAtMs, header }: ViewOptions) {
    this.requestId = requestId;
    this.path = path;
    this.priority = priority;
    this.receivedAtMs = receivedAtMs;
    this.#header = header;
  }

  header(name: string): string | undefined {
    return this.#header(name);
  }

  attribute(key: DataKey): unknown {
    return this.#attributes?.get(key.name);
  }

  setAttribute(key: DataKey, value: unknown): void {
    this.#attributes ??= new Map();
    this.#attributes.set(key.name, value);
  }
}
