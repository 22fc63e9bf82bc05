/**
 * Notices that a file has changed, however it is changed: written in place, replaced by a rename, or, as Kubernetes
 * does with a ConfigMap, by a symbolic link in its directory that points elsewhere from now on.
 *
 *   event in the directory ─┐                       ┌─ differs from the look before ─► settle again
 *                           ├─► settle ─► look at it ┤
 *   poll ───────────────────┘                       └─ as before, and not what was read ─► changed
 *
 * Events alone would miss network file systems, links out of the directory, and directories that are replaced; so the
 * file is looked at every now and then, too.
 */
import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import type { Clock, Timer } from "../../base/clock.ts";

/** Looks at a file that changes all the time, after which it is read as it is. */
const UNSETTLED_LOOKS_MAX = 20;

export interface FileLookOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly settleMs: number;
  readonly pollMs: number;
  /** The file is, or seems to be, another one than when this was called last. The file may be absent. */
  readonly onChanged: () => void;
}

export class FileLook {
  readonly #options: FileLookOptions;
  readonly #poll: Timer;
  #watcher: FSWatcher | undefined;
  #settle: Timer | undefined;
  #isLooking = false;
  #isClosed = false;
  #unsettledLooks = 0;
  /** Of the last look, and of the file that was read last. */
  #seen: string | undefined;
  #read: string | undefined;

  /** `identity`: of the file as it was read (`fileIdentity`). */
  constructor(options: FileLookOptions, identity: string) {
    this.#options = options;
    this.#read = identity;
    this.#seen = identity;
    this.#watch();
    this.#poll = options.clock.setInterval(() => {
      if (this.#watcher === undefined) this.#watch();
      void this.#look();
    }, options.pollMs);
  }

  /** Has the file read again although it stays as it is. */
  forget(): void {
    this.#read = undefined;
  }

  close(): void {
    this.#isClosed = true;
    this.#watcher?.close();
    this.#settle?.cancel();
    this.#poll.cancel();
  }

  /** A directory that cannot be watched is polled. */
  #watch(): void {
    try {
      const watcher = watch(path.dirname(this.#options.path), { persistent: false }, () => this.#arm());
      watcher.on("error", () => {
        watcher.close();
        if (this.#watcher === watcher) this.#watcher = undefined;
      });
      this.#watcher = watcher;
    } catch {
      this.#watcher = undefined;
    }
  }

  #arm(): void {
    if (this.#isClosed) return;
    this.#settle ??= this.#options.clock.setTimeout(() => {
      this.#settle = undefined;
      void this.#look();
    }, this.#options.settleMs);
  }

  async #look(): Promise<void> {
    if (this.#isLooking || this.#isClosed) return;
    this.#isLooking = true;
    const identity = await fileIdentity(this.#options.path);
    this.#isLooking = false;
    if (this.#isClosed) return;
    const isSettled = identity === this.#seen || ++this.#unsettledLooks >= UNSETTLED_LOOKS_MAX;
    this.#seen = identity;
    if (!isSettled) return this.#arm();
    this.#unsettledLooks = 0;
    if (identity === this.#read) return;
    this.#read = identity;
    this.#options.onChanged();
  }
}

/** Tells one state of a file from another; "absent" for none. Follows links. */
export async function fileIdentity(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
  } catch {
    return "absent";
  }
}
