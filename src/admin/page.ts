/**
 * What a page of the admin server is: a path, a line for the index, and an answer in pieces. A page knows no HTTP; the
 * server (admin-server.ts) knows no page.
 */

export interface AdminPage {
  readonly path: string;
  /** One line for the index. */
  readonly summary: string;
  /** Answered also while the picker starts; others say 503 until it serves. */
  readonly isEarly: boolean;
  readonly contentType: string;
  /** Whether the answer is kept as a file of its own; its name. */
  readonly fileName?: (query: URLSearchParams) => string;
  /**
   * The answer's pieces. A PageError may be thrown until the first piece; later faults cut the answer off. Not called
   * for HEAD.
   */
  answer(request: PageRequest): AsyncIterable<string | Uint8Array>;
}

export interface PageRequest {
  readonly query: URLSearchParams;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** Why a page gives no answer. */
export class PageError extends Error {
  override readonly name = "PageError";
  readonly status: 400 | 404 | 409 | 503;

  constructor(status: 400 | 404 | 409 | 503, message: string) {
    super(message);
    this.status = status;
  }
}

export const JSON_TYPE = "application/json; charset=utf-8";
export const TEXT_TYPE = "text/plain; charset=utf-8";

/** A page of one JSON document, made whole. For what stays below some 100 KiB. */
export function jsonPage(page: {
  readonly path: string;
  readonly summary: string;
  readonly isEarly: boolean;
  readonly read: (request: PageRequest) => unknown;
}): AdminPage {
  return {
    path: page.path,
    summary: page.summary,
    isEarly: page.isEarly,
    contentType: JSON_TYPE,
    async *answer(request) {
      yield `${JSON.stringify(await page.read(request), undefined, 2)}\n`;
    },
  };
}
