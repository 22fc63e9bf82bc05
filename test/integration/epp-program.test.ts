import { afterEach, describe, expect, it } from "vitest";
import { closeEpps, writeEndpointsFile } from "../support/epp.ts";
import { ExtProcClient } from "../support/ext-proc-client.ts";
import { chatBody } from "../support/ext-proc-messages.ts";
import { addressesOf, closeSimulators, startSimulators } from "../support/fleet-of-simulators.ts";
import { occupyPort } from "../support/free-ports.ts";
import { endPrograms, runProgram, type TestProgram } from "../support/programs.ts";

const clients: ExtProcClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await endPrograms();
  await closeEpps();
  await closeSimulators();
});

const FREE_PORTS = [
  ...["--host", "127.0.0.1", "--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"],
  ...["--secure-serving=false", "--drain-notice=0s"],
];

interface ServingProgram {
  readonly program: TestProgram;
  readonly grpcPort: number;
  readonly client: ExtProcClient;
}

/** The picker as a program, serving one simulated server. */
async function startPicker(args: readonly string[] = []): Promise<ServingProgram> {
  const file = writeEndpointsFile(addressesOf(await startSimulators(1)));
  const program = runProgram("main.js", ["--endpoints-file", file, ...FREE_PORTS, ...args]);
  const serving = JSON.parse(await program.line('"msg":"serving"')) as { grpcPort: number };
  const client = new ExtProcClient(serving.grpcPort);
  clients.push(client);
  return { program, client, grpcPort: serving.grpcPort };
}

describe("the picker's program, told what it cannot do,", () => {
  const CASES: readonly { name: string; args: () => string[]; says: string[] }[] = [
    { name: "an unknown flag", args: () => ["--no-such-flag"], says: ["there is no flag --no-such-flag", "--help"] },
    { name: "no endpoints file", args: () => [], says: ["nothing says where the model servers are"] },
    {
      name: "a missing endpoints file",
      args: () => ["--endpoints-file", "/nowhere/endpoints.yaml"],
      says: ["/nowhere/endpoints.yaml: cannot be read"],
    },
    {
      name: "a faulty endpoints file",
      args: () => ["--endpoints-file", writeEndpointsFile("endpoints:\n  - {name: a, address: 127.0.0.1, port: 0}")],
      says: ["endpoints.yaml:2:", "endpoints[0].port", "must be a port, 1 to 65535"],
    },
    {
      name: "a certificate that is not there",
      args: () => [
        "--endpoints-file",
        writeEndpointsFile([]),
        ...FREE_PORTS,
        "--secure-serving",
        "--cert-path=/nowhere",
      ],
      says: ["/nowhere/tls.crt: cannot be read"],
    },
    {
      name: "a cipher suite that there is not",
      args: () => ["--endpoints-file", "x", "--tls-cipher-suites=TLS_NULL"],
      says: ['--tls-cipher-suites: "TLS_NULL" is none of TLS_ECDHE_'],
    },
    {
      name: "flags that contradict each other",
      args: () => ["--endpoints-file", "x", "--config-file=a", "--config-text=b"],
      says: ["--config-file and --config-text contradict each other"],
    },
    {
      name: "a port that is none",
      args: () => ["--endpoints-file", "x", "--grpc-port", "70000"],
      says: ['--grpc-port: "70000" is not a whole number from 0 to 65535'],
    },
  ];

  // Together, since starting is most of what each of them takes.
  it(`ends with exit code 2 and says so: ${CASES.map(({ name }) => name).join(", ")}`, async () => {
    const programs = CASES.map(({ args }) => runProgram("main.js", args()));
    const codes = await Promise.all(programs.map(({ ended }) => ended));
    expect(codes).toEqual(CASES.map(() => 2));
    for (const [index, { says }] of CASES.entries()) {
      const text = programs[index]?.errors.filter((line) => !line.startsWith("{")).join("\n") ?? "";
      for (const part of says) expect(text).toContain(part);
      expect(text).toMatch(/^epp: /);
      expect(text).not.toContain("    at ");
    }
  });

  it("ends with exit code 2 when its port is taken", async () => {
    const taken = await occupyPort();
    const file = writeEndpointsFile([]);
    const program = runProgram("main.js", ["--endpoints-file", file, ...FREE_PORTS, "--grpc-port", String(taken.port)]);
    expect(await program.ended).toBe(2);
    await taken.release();
    expect(program.errors.at(-1)).toBe(
      `epp: port ${taken.port} on 127.0.0.1 is taken by another program; choose another one with --grpc-port`,
    );
  });

  it("prints its flags and ends with 0 when asked for help", async () => {
    const program = runProgram("main.js", ["--help"]);
    expect(await program.ended).toBe(0);
    expect(program.output.join("\n")).toContain("--endpoints-file <path>");
    expect(program.output.join("\n")).toContain("--secure-serving");
    expect(program.errors).toEqual([]);
  });
});

describe("the picker's program, serving,", () => {
  it("speaks TLS unless told otherwise, by its own certificate", async () => {
    const { program, grpcPort } = await startPicker(["--secure-serving=true", "--pool-name=llama"]);
    const client = new ExtProcClient(grpcPort, { isSecure: true });
    clients.push(client);
    expect(await client.ask(chatBody("hello"))).toMatchObject({ kind: "routed" });
    expect(await program.line("certificate of ext_proc")).toContain("DNS:llama-epp.default.svc");
  });

  it("says once what older flags mean now, and which do nothing here", async () => {
    const { program } = await startPicker(["--loraInfoMetric", "x", "--ha-enable-leader-election", "", "-v=1"]);
    for (const text of ["--lora-info-metric is a flag of older pickers", "without Kubernetes these flags do nothing"]) {
      expect(program.errors.filter((line) => line.includes(text))).toHaveLength(1);
    }
  });

  it("prints a line per decision, without the prompt, when asked to", async () => {
    const { program, client } = await startPicker(["--log-decisions"]);
    await client.ask(chatBody("a very secret prompt"), { requestId: "request-77" });
    expect(await program.line("request-77")).toContain("sim-0 127.0.0.1:");
    expect(program.lines.join("\n")).not.toContain("secret");
  });

  it("ends with 0 on SIGTERM and on SIGINT", async () => {
    const [first, second] = await Promise.all([startPicker(), startPicker()]);
    await Promise.all([first, second].map(({ client }) => client.ask(chatBody("hello"))));
    first.program.signal("SIGTERM");
    second.program.signal("SIGINT");
    expect(await Promise.all([first, second].map(({ program }) => program.ended))).toEqual([0, 0]);
  });

  it("ends with 0 when it is told to while it starts", async () => {
    const program = runProgram("main.js", ["--endpoints-file", writeEndpointsFile([]), ...FREE_PORTS]);
    await program.line('"msg":"starting"');
    program.signal("SIGTERM");
    expect(await program.ended).toBe(0);
  });

  it("serves an open stream before it ends", async () => {
    const { program, client } = await startPicker();
    const stream = client.open();
    await stream.ask(chatBody("hello"));
    program.signal("SIGTERM");
    stream.send({ kind: "responseHeaders", headers: [{ name: ":status", value: "200" }], endOfStream: true });
    await stream.answered((answers) => answers.at(-1)?.kind === "responseHeaders");
    stream.halfClose();
    expect([(await stream.ended).code, await program.ended]).toEqual([0, 0]);
  });

  it("ends with 3 when open streams take longer than they may", async () => {
    const { program, client } = await startPicker(["--drain-timeout", "100ms"]);
    const stream = client.open();
    await stream.ask(chatBody("hello"));
    program.signal("SIGTERM");
    expect(await program.ended).toBe(3);
    expect((await stream.ended).code).not.toBe(0);
  });

  it("ends with 130 at the second signal", async () => {
    const { program, client } = await startPicker(["--drain-timeout", "60s"]);
    await client.open().ask(chatBody("hello"));
    program.signal("SIGTERM");
    // Nothing says that the first one has arrived; two of one name at once may be taken as one.
    program.signal("SIGINT");
    expect(await program.ended).toBe(130);
  });
});
