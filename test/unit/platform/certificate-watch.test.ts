/** Real folders and the system's own events; time is the test's. */
import { renameSync, rmSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { CertificateWatch, RELOAD_CHECK_MS, RELOAD_PAUSE_MS } from "../../../src/platform/certificate-watch.ts";
import type { KeyPair } from "../../../src/platform/tls.ts";
import { mountSecret, newFolder, newKeyPair, removeFolders, writeKeyPair } from "../../support/certificate-folder.ts";
import { until } from "../../support/until.ts";

const watches: CertificateWatch[] = [];

afterEach(() => {
  for (const watch of watches.splice(0)) watch.close();
  removeFolders();
});

function startWatch(folder: string, current: KeyPair) {
  const clock = new ManualClock();
  const heard: (KeyPair | string)[] = [];
  const watch = new CertificateWatch({
    folder,
    current,
    clock,
    onChanged: (keyPair) => void heard.push(keyPair),
    onFault: (message) => void heard.push(message),
    onSound: () => void heard.push("sound"),
  });
  watches.push(watch);
  return {
    clock,
    heard,
    watch,
    /** Waits for the system's event, which starts the pause, and lets that pass. */
    async untilLooked() {
      const count = heard.length;
      // The check each minute is always pending.
      await until("an event has come", () => clock.pendingCount === 2);
      // The rest of what the change causes comes at once, or is caught by a next round.
      await until("it has looked", () => {
        if (clock.pendingCount === 2) clock.advance(RELOAD_PAUSE_MS);
        return heard.length > count;
      });
    },
  };
}

const [OLD, NEW, THIRD] = [newKeyPair(), newKeyPair(), newKeyPair()];

describe("a watched certificate", () => {
  it("that a kubelet swaps is found each time", async () => {
    const secret = mountSecret(OLD);
    const { heard, untilLooked } = startWatch(secret.path, OLD);
    secret.replace(NEW);
    await untilLooked();
    expect(heard.at(-1)).toEqual(NEW);
    secret.replace(THIRD);
    await until("the third is there", async () => {
      await untilLooked();
      return heard.includes("sound") || heard.at(-1) !== NEW;
    });
    expect(heard.filter((item) => typeof item === "object")).toEqual([NEW, THIRD]);
  });

  it("is looked at only when its folder has been quiet for a while", async () => {
    const folder = newFolder(OLD);
    const { clock, heard } = startWatch(folder, OLD);
    writeKeyPair(folder, { cert: NEW.cert });
    await until("an event has come", () => clock.pendingCount === 2);
    clock.advance(RELOAD_PAUSE_MS - 1);
    expect(heard).toEqual([]);
    const dueMs = clock.nextDueMs;
    writeKeyPair(folder, { key: NEW.key });
    await until("the pause begins anew", () => clock.nextDueMs !== dueMs);
    clock.advance(RELOAD_PAUSE_MS - 1);
    expect(heard).toEqual([]);
    clock.advance(1);
    expect(heard).toEqual([NEW]);
  });

  it("that cannot be used is a fault and not a change, until it can", async () => {
    const folder = newFolder(OLD);
    const { clock, heard, untilLooked } = startWatch(folder, OLD);
    writeKeyPair(folder, { cert: NEW.cert });
    await untilLooked();
    expect(heard.at(-1)).toMatch(/tls\.key: is not the key of the certificate in /);
    clock.advance(RELOAD_CHECK_MS);
    expect(heard.at(-1)).toMatch(/tls\.key: is not the key of the certificate in /);
    writeKeyPair(folder, { key: NEW.key });
    await untilLooked();
    expect(heard.at(-1)).toEqual(NEW);
    expect(heard.filter((item) => typeof item === "object")).toEqual([NEW]);
  });

  it("that is put back as it was is sound again, and no change", async () => {
    const folder = newFolder(OLD);
    const { heard, untilLooked } = startWatch(folder, OLD);
    writeKeyPair(folder, { key: "none" });
    await untilLooked();
    writeKeyPair(folder, OLD);
    await until("it is sound", async () => {
      await untilLooked();
      return heard.at(-1) === "sound";
    });
    expect(heard.filter((item) => typeof item === "object")).toEqual([]);
  });

  it("in a folder that is replaced as a whole is found by the check each minute, and watched from then on", async () => {
    const folder = newFolder(OLD);
    const { clock, heard, untilLooked } = startWatch(folder, OLD);
    rmSync(folder, { recursive: true });
    clock.advance(RELOAD_CHECK_MS);
    expect(heard.at(-1)).toMatch(/tls\.crt: cannot be read: ENOENT/);
    renameSync(newFolder(NEW), folder);
    clock.advance(RELOAD_CHECK_MS);
    expect(heard.at(-1)).toEqual(NEW);
    writeKeyPair(folder, THIRD);
    await until("the third is there", async () => {
      await untilLooked();
      return heard.at(-1) !== NEW;
    });
    expect(heard.at(-1)).toEqual(THIRD);
  });

  it("that nobody watches any more leaves no timer behind", async () => {
    const folder = newFolder(OLD);
    const { clock, heard, watch } = startWatch(folder, OLD);
    writeKeyPair(folder, NEW);
    await until("an event has come", () => clock.pendingCount === 2);
    watch.close();
    expect(clock.pendingCount).toBe(0);
    expect(heard).toEqual([]);
  });
});
