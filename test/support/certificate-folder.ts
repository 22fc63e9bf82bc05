/**
 * Folders of certificates as a kubelet mounts them: files are links through `..data`, which is a link to a folder with
 * a name of its own, and a new secret is one swap of that link. `removeFolders` removes them, after each test.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { createSelfSignedCertificate } from "../../src/platform/self-signed-certificate.ts";
import type { KeyPair } from "../../src/platform/tls.ts";

const folders: string[] = [];

export interface SecretFolder {
  readonly path: string;
  /** Puts other files in the place of those that are there, as one change. */
  replace(files: Partial<KeyPair>): void;
}

/** A key pair that is like no other. */
export function newKeyPair(name = "localhost"): KeyPair {
  return createSelfSignedCertificate([name, "127.0.0.1"], systemClock);
}

/** A mounted secret with these files. */
export function mountSecret(files: Partial<KeyPair>): SecretFolder {
  const folder = newFolder();
  let version = 0;
  const write = (content: Partial<KeyPair>): string => {
    const name = `..version-${version++}`;
    mkdirSync(path.join(folder, name));
    writeKeyPair(path.join(folder, name), content);
    return name;
  };
  symlinkSync(write(files), path.join(folder, "..data"));
  for (const file of ["tls.crt", "tls.key"]) symlinkSync(path.join("..data", file), path.join(folder, file));
  return {
    path: folder,
    replace(content) {
      const name = write(content);
      symlinkSync(name, path.join(folder, "..data_tmp"));
      renameSync(path.join(folder, "..data_tmp"), path.join(folder, "..data"));
      rmSync(path.join(folder, `..version-${version - 2}`), { recursive: true });
    },
  };
}

/** A folder with plain files. */
export function newFolder(files: Partial<KeyPair> = {}): string {
  const folder = mkdtempSync(path.join(tmpdir(), "magpie-certificate-"));
  folders.push(folder);
  writeKeyPair(folder, files);
  return folder;
}

/** Writes one file, or both, over what is there. */
export function writeKeyPair(folder: string, { cert, key }: Partial<KeyPair>): void {
  if (cert !== undefined) writeFileSync(path.join(folder, "tls.crt"), cert);
  if (key !== undefined) writeFileSync(path.join(folder, "tls.key"), key);
}

export function removeFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
