/**
 * Server-sent events as model servers write them: one `data:` line per event, and a closing event that is not JSON.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html
 */

export const SSE_CONTENT_TYPE = "text/event-stream; charset=utf-8";

/** One event. `data` has no line break: JSON never has. */
export function formatSseEvent(data: string): string {
  return `data: ${data}\n\n`;
}

/** Ends a stream of the OpenAI APIs. */
export const SSE_DONE: string = formatSseEvent("[DONE]");
