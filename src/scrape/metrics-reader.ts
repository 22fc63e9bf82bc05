/** Reads the expositions of one endpoint, as they arrive, with its engine's table. */
import type { EndpointMetrics } from "../framework/endpoint.ts";
import type { ExpositionScanner } from "../wasm/exposition-scanner.ts";
import { type EngineTable, hasLoad, RememberedLabels } from "./engine-table.ts";
import type { AnswerReader, PollFailure } from "./poll.ts";

/** A larger exposition is a failure. vLLM's has some 60 KB; LoRA and data parallelism multiply it. */
const EXPOSITION_SIZE_MAX = 8 * 1024 * 1024;

export class MetricsReader implements AnswerReader {
  readonly accept = "text/plain;version=0.0.4";
  readonly bodySizeMax: number = EXPOSITION_SIZE_MAX;
  readonly table: EngineTable;
  readonly #scanner: ExpositionScanner;
  readonly #remembered = new RememberedLabels();
  #window: number | undefined;
  /** There was no window for this answer. */
  #isWithoutWindow = false;
  #metrics: EndpointMetrics | undefined;

  constructor(scanner: ExpositionScanner, table: EngineTable) {
    this.#scanner = scanner;
    this.table = table;
  }

  /** What the last answer said; undefined before the first. */
  get metrics(): EndpointMetrics | undefined {
    return this.#metrics;
  }

  readonly onBody = (bytes: Buffer, from: number, end: number): void => {
    // A window that comes free later would have missed the beginning.
    if (this.#isWithoutWindow) return;
    this.#window ??= this.#scanner.begin(this.table.number);
    if (this.#window === undefined) this.#isWithoutWindow = true;
    else this.#scanner.feed(this.#window, bytes, from, end);
  };

  finish(): PollFailure | undefined {
    // An answer without a body has had no window, and is read all the same.
    if (!this.#isWithoutWindow) this.#window ??= this.#scanner.begin(this.table.number);
    const window = this.#window;
    if (window === undefined) {
      this.giveUp();
      return { kind: "unanswered", reason: "more answers are being read at once than there is room for" };
    }
    this.#scanner.end(window);
    const metrics = this.table.read(window, this.#remembered);
    this.giveUp();
    const { engine } = this.table;
    const names = [engine.queueDepthRequests, engine.runningRequests, engine.kvCacheUsageFraction].flatMap((series) => {
      return series === undefined ? [] : [series.name];
    });
    // Of an engine that is asked for no load, any answer will do.
    if (names.length === 0 || hasLoad(metrics)) {
      this.#metrics = metrics;
      return undefined;
    }
    const reason = `its exposition has none of engine "${engine.name}": ${[...new Set(names)].join(", ")}`;
    return { kind: "no-load", reason };
  }

  giveUp(): void {
    if (this.#window !== undefined) this.#scanner.release(this.#window);
    this.#window = undefined;
    this.#isWithoutWindow = false;
  }
}
