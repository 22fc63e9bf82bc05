/** `epp config …`: looks at a configuration without starting a picker. */

/** Runs the command behind `epp config`. Returns the exit code. */
export async function runConfigCommand(_args: readonly string[]): Promise<number> {
  process.stderr.write("epp config: configurations cannot be checked in this version\n");
  return 2;
}
