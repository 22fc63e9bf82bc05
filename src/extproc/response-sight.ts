/**
 * What a conversation sees of a response's body, and whether that is what it wants. A proxy is asked not to show a body
 * that nobody looks at; one that shows it all the same, or hides one that is wanted, is reported.
 *
 *   body is   shown                           hidden
 *   wanted    read as it passes               unseen, reported
 *   unwanted  passed on unread, reported      unseen: the stream's end is the response's end
 */
import { BODY_SEND_MODE, HEADER_SEND_MODE } from "../wire/ext-proc/fields.ts";
import type { ProcessingMode } from "../wire/ext-proc/response-encoder.ts";
import type { BodyModes } from "./body-modes.ts";

/** What a body is looked at for: everything, the model's name alone, or nothing. */
export type Interest = "all" | "name" | "none";

/** Told what proxies do with bodies of responses, once per response at most. */
export interface ProxyReports {
  nowMs(): number;
  /** A response is over, and was shown or hidden as it should be. */
  onAsWanted(): void;
  /** A body that is to be observed is not shown. */
  onBodyHidden(): void;
  /** A body that nobody looks at is shown. */
  onBodyShown(modes: BodyModes): void;
  /** The stream of a streamed response is over that was not shown. `lastedMs`: from the answer to its headers. */
  onUnseenEnd(lastedMs: number): void;
}

/**
 * What the answer to the request's headers says of the response's body. In full duplex it can only be said there:
 * pieces of a body are on their way before its headers are answered, and would be lost.
 */
export function requestAnswerOverride(modes: BodyModes, interest: Interest): ProcessingMode | undefined {
  return interest === "none" && modes.response === "full-duplex" ? hidden(modes) : undefined;
}

export class ResponseSight {
  /** Nobody looks at the body, or it is not shown. */
  readonly isUnseen: boolean;
  /** To be said with the answer to the response's headers. */
  readonly modeOverride: ProcessingMode | undefined;
  readonly #reports: ProxyReports;
  readonly #modes: BodyModes;
  #isAsWanted = true;
  #answeredAtMs: number | undefined;

  /** Of a response whose headers have come, and whose body follows. */
  constructor(reports: ProxyReports, modes: BodyModes, interest: Interest) {
    this.#reports = reports;
    this.#modes = modes;
    this.isUnseen = interest === "none" || modes.response === "none";
    this.modeOverride = interest === "none" && modes.response !== "full-duplex" ? hidden(modes) : undefined;
    if (interest !== "all" || modes.response !== "none") return;
    this.#isAsWanted = false;
    reports.onBodyHidden();
  }

  onHeadersAnswered(isStreaming: boolean): void {
    if (this.isUnseen && isStreaming) this.#answeredAtMs = this.#reports.nowMs();
  }

  /** A piece of a body came that nobody looks at. */
  onBodyShown(): void {
    if (!this.#isAsWanted) return;
    this.#isAsWanted = false;
    this.#answeredAtMs = undefined;
    this.#reports.onBodyShown(this.#modes);
  }

  /** The stream is over. */
  onClosed(): void {
    if (this.#answeredAtMs !== undefined) this.#reports.onUnseenEnd(this.#reports.nowMs() - this.#answeredAtMs);
    if (this.#isAsWanted) this.#reports.onAsWanted();
  }
}

/** The request goes on as it is; trailers of the response keep the stream open until the response is over. */
function hidden({ request, requestSendMode }: BodyModes): ProcessingMode {
  return {
    requestBodyMode: requestSendMode,
    responseBodyMode: BODY_SEND_MODE.none,
    responseTrailerMode: HEADER_SEND_MODE.send,
    ...(request === "full-duplex" && { requestTrailerMode: HEADER_SEND_MODE.send }),
  };
}
