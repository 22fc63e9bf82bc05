/**
 * Endpoints out of a file: read once at start, where a fault is an error, and again whenever it changes, where a fault
 * leaves the fleet as it is and is a degraded state until the file is mended.
 */
import type { Clock } from "../../base/clock.ts";
import { ConfigError } from "../../base/errors.ts";
import { FILE_POLL_MS, FILE_SETTLE_MS } from "../../config/defaults.ts";
import type { EndpointSpec } from "../../framework/endpoint.ts";
import type { DegradationReporter } from "../../telemetry/health-details.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { readEndpointsFile } from "./endpoints-file.ts";
import { FileLook, fileIdentity } from "./file-look.ts";

export interface FileDiscoveryOptions {
  readonly path: string;
  readonly watches: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly degraded: DegradationReporter;
  /** Counts what became of each reading after the first. */
  readonly control: { endpointsFileReloads: number; endpointsFileFaults: number };
  /** Takes the fleet over. Throws a ConfigError, and changes nothing, when there is no room. */
  readonly apply: (specs: readonly EndpointSpec[]) => EndpointCounts;
}

/** What a reading changed. */
export interface EndpointCounts {
  readonly added: number;
  readonly removed: number;
  readonly relabelled: number;
}

export class FileDiscovery {
  readonly #options: FileDiscoveryOptions;
  #look: FileLook | undefined;

  constructor(options: FileDiscoveryOptions) {
    this.#options = options;
  }

  /** Reads the file and applies it. Throws a ConfigError with file, line and remedy. */
  async start(): Promise<void> {
    const { path, watches, clock, apply } = this.#options;
    // Before reading: what changes meanwhile is noticed later.
    const identity = await fileIdentity(path);
    apply(this.#readFile());
    if (!watches) return;
    const onChanged = (): void => this.#reload();
    this.#look = new FileLook({ path, clock, settleMs: FILE_SETTLE_MS, pollMs: FILE_POLL_MS, onChanged }, identity);
  }

  close(): void {
    this.#look?.close();
  }

  #reload(): void {
    const { path, logger, degraded, control, apply } = this.#options;
    let specs: readonly EndpointSpec[];
    try {
      specs = this.#readFile();
    } catch (error) {
      return this.#keep(error);
    }
    try {
      const changes = apply(specs);
      control.endpointsFileReloads++;
      logger.info({ file: path, endpoints: specs.length, ...changes }, "endpoints file was read again");
      degraded.clear("endpoints-file-bad");
    } catch (error) {
      // Room may come when the slots of removed endpoints are free: tried again at the next look.
      this.#look?.forget();
      this.#keep(error);
    }
  }

  #readFile(): EndpointSpec[] {
    const { path, logger } = this.#options;
    return readEndpointsFile(path, (warning) => logger.warn({ warning }, "the endpoints file should be mended"));
  }

  #keep(error: unknown): void {
    if (!(error instanceof ConfigError)) throw error;
    const { control, degraded } = this.#options;
    control.endpointsFileFaults++;
    degraded.raise("endpoints-file-bad", error.message);
  }
}
