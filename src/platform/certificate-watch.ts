/**
 * Watches the folder of a certificate for a new one. Kubernetes changes a mounted secret by swapping one symbolic link
 * (`..data`) that all its files lead through, so the folder is watched, not the files.
 *
 *   event in the folder ─► 250 ms without another ─► read ─► other than before ─► onChanged
 *   each minute ──────────────────────────────────────┘  └► cannot be used ────► onFault, the one before stays
 *
 * Watching alone is not relied on: some file systems tell nothing, and a folder may be replaced as a whole.
 */
import { type FSWatcher, watch } from "node:fs";
import type { Clock, Timer } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { readKeyPair } from "./key-pair-files.ts";
import type { KeyPair } from "./tls.ts";

/** Two files are hardly written in one instant. The Go picker's time. */
export const RELOAD_PAUSE_MS = 250;

/** For folders whose changes nobody tells: a certificate is renewed hours before it expires. */
export const RELOAD_CHECK_MS = 60_000;

export interface CertificateWatchOptions {
  readonly folder: string;
  /** The pair in use. */
  readonly current: KeyPair;
  readonly clock: Clock;
  /** Another pair is there, and can be used. */
  readonly onChanged: (keyPair: KeyPair) => void;
  /** What is there cannot be used. Called again each minute as long as that is so. */
  readonly onFault: (message: string) => void;
  /** What is there is the pair in use: a fault, if there was one, is over. */
  readonly onSound: () => void;
}

export class CertificateWatch {
  readonly #options: CertificateWatchOptions;
  readonly #check: Timer;
  #current: KeyPair;
  #pause: Timer | undefined;
  #watcher: FSWatcher | undefined;

  constructor(options: CertificateWatchOptions) {
    this.#options = options;
    this.#current = options.current;
    this.#check = options.clock.setInterval(() => this.#look(), RELOAD_CHECK_MS);
    this.#watch();
  }

  close(): void {
    this.#check.cancel();
    this.#pause?.cancel();
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #onEvent(): void {
    this.#pause?.cancel();
    this.#pause = this.#options.clock.setTimeout(() => this.#look(), RELOAD_PAUSE_MS);
  }

  #look(): void {
    // Watches anew, before it reads: the folder may be another one under the same name.
    this.#watch();
    let found: KeyPair;
    try {
      found = readKeyPair(this.#options.folder);
    } catch (error) {
      this.#options.onFault(messageOf(error));
      return;
    }
    if (found.cert === this.#current.cert && found.key === this.#current.key) {
      this.#options.onSound();
      return;
    }
    this.#current = found;
    this.#options.onChanged(found);
  }

  #watch(): void {
    const before = this.#watcher;
    this.#watcher = this.#openWatcher();
    before?.close();
  }

  /** Undefined while there is no folder to watch; the check each minute tries again, and says what is wrong. */
  #openWatcher(): FSWatcher | undefined {
    try {
      const watcher = watch(this.#options.folder, { persistent: false }, () => this.#onEvent());
      watcher.on("error", () => this.#onEvent());
      return watcher;
    } catch {
      return undefined;
    }
  }
}
