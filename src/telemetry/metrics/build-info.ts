/** Which build this is: what a container's build gives it in the environment, and the package's version otherwise. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export interface BuildInfo {
  /** Commit that was built; `unknown` when the build did not say. */
  readonly commit: string;
  /** Branch or tag that was built; the package's version when the build did not say. */
  readonly buildRef: string;
}

export function readBuildInfo(environment: NodeJS.ProcessEnv = process.env): BuildInfo {
  const { MAGPIE_COMMIT: commit = "unknown", MAGPIE_BUILD_REF: buildRef = `v${readVersion()}` } = environment;
  return { commit, buildRef };
}

function readVersion(): string {
  const path = createRequire(import.meta.url).resolve("#package");
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}
