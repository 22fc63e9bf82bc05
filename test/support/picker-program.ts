/** The picker as a program of its own, on free ports: for tests of how it ends, and of what becomes of requests. */
import { type EndpointAddress, LOOPBACK, writeEndpointsFile } from "./epp.ts";
import { runProgram, type TestProgram } from "./programs.ts";

export interface PickerProgram {
  readonly program: TestProgram;
  readonly grpcPort: number;
  readonly healthPort: number;
  readonly metricsPort: number;
}

/** Resolves when it serves. `endPrograms` ends it. */
export async function startPickerProgram(
  endpoints: readonly EndpointAddress[],
  args: readonly string[] = [],
): Promise<PickerProgram> {
  const program = runProgram("main.js", [
    ...["--secure-serving=false", "--drain-notice=0s"],
    ...["--endpoints-file", writeEndpointsFile(endpoints), "--host", LOOPBACK],
    ...["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0", "--shards", "1", ...args],
  ]);
  const serving = JSON.parse(await program.line('"msg":"serving"')) as Omit<PickerProgram, "program">;
  return { ...serving, program };
}
