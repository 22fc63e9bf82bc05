import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ConfigError } from "../../../../src/base/errors.ts";
import { parseEndpoints, readEndpointsFile } from "../../../../src/discovery/file/endpoints-file.ts";
import { layout } from "../../../../src/wasm/layout.ts";

const folder = mkdtempSync(join(tmpdir(), "magpie-endpoints-"));
afterAll(() => rmSync(folder, { recursive: true }));

const sim = { name: "sim-0", namespace: "default", address: "127.0.0.1", port: 8000, labels: {} };

/** The message of the ConfigError that a call throws. */
function faultOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error("it was accepted");
}

/** Line and column of ▶, both from 1. */
function markedPlace(text: string): string {
  const before = text.slice(0, text.indexOf("▶")).split("\n");
  return `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
}

describe("endpoints file", () => {
  it.each([
    {
      name: "the smallest entry",
      text: "endpoints:\n- name: sim-0\n  address: 127.0.0.1\n  port: 8000\n",
      endpoints: [sim],
    },
    {
      name: "a port in quotes, as the Go picker wants it",
      text: 'endpoints: [{name: sim-0, address: "127.0.0.1", port: "8000"}]',
      endpoints: [sim],
    },
    {
      name: "JSON",
      text: '{"endpoints":[{"name":"sim-0","address":"127.0.0.1","port":8000}]}',
      endpoints: [sim],
    },
    {
      name: "namespace and labels",
      text: "endpoints: [{name: a, namespace: prod, address: 10.0.0.1, port: 1, labels: {role: decode, zone: ''}}]",
      endpoints: [{ name: "a", namespace: "prod", address: "10.0.0.1", port: 1, labels: { role: "decode", zone: "" } }],
    },
    {
      name: "IPv6",
      text: 'endpoints: [{name: sim-0, address: "2001:db8::1", port: 65535}]',
      endpoints: [{ ...sim, address: "2001:db8::1", port: 65_535 }],
    },
    {
      name: "IPv6 in the one way to write it",
      text: 'endpoints: [{name: sim-0, address: "2001:DB8:0:0::0001", port: 80}]',
      endpoints: [{ ...sim, address: "2001:db8::1", port: 80 }],
    },
    {
      name: "names of the greatest size",
      text: `endpoints: [{name: ${"n".repeat(253)}, namespace: ${"m".repeat(63)}, address: 127.0.0.1, port: 8000}]`,
      endpoints: [{ ...sim, name: "n".repeat(253), namespace: "m".repeat(63) }],
    },
    {
      name: "two addresses in turn for one name",
      text: `endpoints:
- {name: a, address: 10.0.0.1, port: 80}
- {name: a, address: 10.0.0.2, port: 80}
- {name: b, address: 10.0.0.1, port: 80}`,
      endpoints: [
        { ...sim, name: "a", address: "10.0.0.2", port: 80 },
        { ...sim, name: "b", address: "10.0.0.1", port: 80 },
      ],
    },
    {
      name: "fields that nobody knows, which are ignored",
      text: "version: 3\nendpoints: [{name: sim-0, address: 127.0.0.1, port: 8000, weight: 7}]",
      endpoints: [sim],
    },
    { name: "an empty list: a fleet that is still to come", text: "endpoints: []", endpoints: [] },
    {
      name: "the last of two with the same namespace and name",
      text: `endpoints:
- {name: sim-0, address: 10.0.0.1, port: 80}
- {name: sim-0, address: 10.0.0.2, port: 80, namespace: other}
- {name: sim-0, address: 127.0.0.1, port: 8000, namespace: default}`,
      endpoints: [sim, { ...sim, namespace: "other", address: "10.0.0.2", port: 80 }],
    },
  ])("takes $name", ({ text, endpoints }) => {
    expect(parseEndpoints(text, "f.yaml")).toEqual(endpoints);
  });

  const PORT_RULE = "must be a port, 1 to 65535";
  const ADDRESS_RULE =
    "must be an IPv4 or IPv6 address; host names are not resolved, because one name may stand for many servers";
  const entry = (fields: string): string => `endpoints:\n- {${fields}}\n`;

  // The fault stands at ▶, which is not part of the text.
  it.each([
    {
      name: "a port beyond the last",
      text: entry("name: a, address: 10.0.0.1, port: ▶70000"),
      fault: `port: ${PORT_RULE} (it is 70000)`,
    },
    {
      name: "such a port in quotes",
      text: entry('name: a, address: 10.0.0.1, port: ▶"70000"'),
      fault: `port: ${PORT_RULE} (it is "70000")`,
    },
    { name: "port 0", text: entry("name: a, address: 10.0.0.1, port: ▶0"), fault: `port: ${PORT_RULE} (it is 0)` },
    {
      name: "a negative port",
      text: entry("name: a, address: 10.0.0.1, port: ▶-1"),
      fault: `port: ${PORT_RULE} (it is -1)`,
    },
    {
      name: "a port that is a name",
      text: entry("name: a, address: 10.0.0.1, port: ▶abc"),
      fault: `port: ${PORT_RULE} (it is "abc")`,
    },
    {
      name: "a port with a fraction",
      text: entry("name: a, address: 10.0.0.1, port: ▶80.5"),
      fault: `port: ${PORT_RULE} (it is 80.5)`,
    },
    { name: "no port", text: "endpoints:\n- ▶{name: a, address: 10.0.0.1}\n", fault: `port: ${PORT_RULE}` },
    {
      name: "a host name",
      text: entry("name: a, address: ▶example.com, port: 80"),
      fault: `address: ${ADDRESS_RULE} (it is "example.com")`,
    },
    {
      name: "an address with a port",
      text: entry('name: a, address: ▶"10.0.0.1:80", port: 80'),
      fault: `address: ${ADDRESS_RULE} (it is "10.0.0.1:80")`,
    },
    {
      name: "an address in brackets",
      text: entry('name: a, address: ▶"[::1]", port: 80'),
      fault: `address: ${ADDRESS_RULE} (it is "[::1]")`,
    },
    {
      name: "an address with a zone, which no URL can hold",
      text: entry('name: a, address: ▶"fe80::1%eth0", port: 80'),
      fault: `address: ${ADDRESS_RULE} (it is "fe80::1%eth0")`,
    },
    {
      name: "an address that YAML reads as a number",
      text: entry("name: a, address: ▶10.5, port: 80"),
      fault: "address: must be an IP address (it is 10.5)",
    },
    {
      name: "an empty name",
      text: entry('name: ▶"", address: 10.0.0.1, port: 80'),
      fault: 'name: must be a non-empty text (it is "")',
    },
    {
      name: "a name that is a number",
      text: entry("name: ▶7, address: 10.0.0.1, port: 80"),
      fault: "name: must be a non-empty text (it is 7)",
    },
    {
      name: "a name of 254 bytes",
      text: entry(`name: ▶${"ü".repeat(127)}, address: 10.0.0.1, port: 80`),
      fault: `name: must have at most 253 bytes (it is "${"ü".repeat(99)}…)`,
    },
    {
      name: "a namespace of 64 bytes",
      text: entry(`name: a, namespace: ▶${"n".repeat(64)}, address: 10.0.0.1, port: 80`),
      fault: `namespace: must have at most 63 bytes (it is "${"n".repeat(64)}")`,
    },
    {
      name: "an empty namespace",
      text: entry('name: a, namespace: ▶"", address: 10.0.0.1, port: 80'),
      fault: 'namespace: must be a non-empty text (it is "")',
    },
    {
      name: "a label that is a number",
      text: entry("name: a, address: 10.0.0.1, port: 80, labels: {rank: ▶1}"),
      fault: "labels.rank: must be a text; put it in quotes (it is 1)",
    },
    {
      name: "labels that are a list",
      text: entry("name: a, address: 10.0.0.1, port: 80, labels: ▶[x]"),
      fault: "labels: must be a map from label to text",
    },
  ])("refuses $name, and says where and what would be right", ({ text, fault }) => {
    expect(faultOf(() => parseEndpoints(text.replace("▶", ""), "fleet.yaml"))).toBe(
      `fleet.yaml:${markedPlace(text)}: endpoints[0].${fault}`,
    );
  });

  it.each([
    { name: "a list that is a map", text: "endpoints: ▶{a: 1}", fault: "endpoints: must be a list of endpoints" },
    {
      name: "a list that is null",
      text: "endpoints:▶\n",
      fault: "endpoints: must be a list of endpoints (it is null)",
    },
    { name: "another document", text: "▶plugins: []\n", fault: "endpoints: must be a list of endpoints" },
    { name: "a list as document", text: "▶- name: a\n", fault: 'document: must be a document with a list "endpoints"' },
    { name: "an empty file", text: "▶", fault: 'document: must be a document with a list "endpoints" (it is null)' },
  ])("refuses a document with $name", ({ text, fault }) => {
    expect(faultOf(() => parseEndpoints(text.replace("▶", ""), "fleet.yaml"))).toBe(
      `fleet.yaml:${markedPlace(text)}: ${fault}`,
    );
  });

  it("an entry that a later one replaces is warned of", () => {
    const warnings: string[] = [];
    const text = `endpoints:
- {name: a, address: 10.0.0.1, port: 1}
- {name: a, address: 10.0.0.1, port: 2}
- {name: b, address: 10.0.0.2, port: 1}
- {name: a, address: 10.0.0.1, port: 3}
`;
    parseEndpoints(text, "fleet.yaml", (warning) => warnings.push(warning));
    expect(warnings).toEqual([
      "fleet.yaml: endpoints[0], default/a, is replaced by endpoints[3] of the same name",
      "fleet.yaml: endpoints[1], default/a, is replaced by endpoints[3] of the same name",
    ]);
  });

  it("two endpoints at one address are both told, by line", () => {
    const text = `endpoints:
- {name: a, address: "::1", port: 80}
- {name: b, address: 10.0.0.1, port: 80}
- {name: c, address: "0:0::1", port: "80"}
`;
    const rest = "; each server is listed once";
    expect(faultOf(() => parseEndpoints(text, "fleet.yaml"))).toBe(
      `fleet.yaml:2:3: endpoints[0]: [::1]:80 is also the address of endpoints[2]${rest}\n` +
        `fleet.yaml:4:3: endpoints[2]: [::1]:80 is also the address of endpoints[0]${rest}`,
    );
  });

  it("bad YAML is located", () => {
    expect(faultOf(() => parseEndpoints("endpoints:\n- {name: a", "fleet.yaml"))).toMatch(
      /^fleet\.yaml:2:11: not readable/,
    );
  });

  it.each([
    { count: layout.ENDPOINTS_MAX, isAccepted: true },
    { count: layout.ENDPOINTS_MAX + 1, isAccepted: false },
  ])("$count entries are accepted: $isAccepted", ({ count, isAccepted }) => {
    const entries = Array.from({ length: count }, (_, index) => ({
      name: `e${index}`,
      address: "10.0.0.1",
      port: 1 + index,
    }));
    const parse = (): unknown => parseEndpoints(JSON.stringify({ endpoints: entries }), "fleet.json");
    if (isAccepted) expect(parse()).toHaveLength(count);
    else expect(faultOf(parse)).toBe("fleet.json:1:14: endpoints: must have at most 1024 entries");
  });
});

describe("reading the endpoints file", () => {
  const path = (name: string): string => join(folder, name);

  it("reads a file from the disk", () => {
    writeFileSync(path("good.yaml"), "endpoints: [{name: sim-0, address: 127.0.0.1, port: 8000}]");
    expect(readEndpointsFile(path("good.yaml"))).toEqual([sim]);
  });

  it("a fault names the file that was given", () => {
    writeFileSync(path("bad.yaml"), "endpoints: 3");
    expect(faultOf(() => readEndpointsFile(path("bad.yaml")))).toMatch(
      `${path("bad.yaml")}:1:12: endpoints: must be a list`,
    );
  });

  it.each([
    { name: "a file that is not there", file: () => path("none.yaml"), reason: "ENOENT" },
    { name: "a folder", file: () => folder, reason: "EISDIR" },
  ])("$name: says so and shows what to write", ({ file, reason }) => {
    const message = faultOf(() => readEndpointsFile(file()));
    expect(message).toMatch(`${file()}: cannot be read: ${reason}`);
    expect(message).toContain("--endpoints-file");
    const example = /"(endpoints: .*?)" and/.exec(message)?.[1] ?? "";
    expect(parseEndpoints(example, "example")).toEqual([sim]);
  });

  it.skipIf(process.getuid?.() === 0)("a file that may not be read: says so", () => {
    writeFileSync(path("secret.yaml"), "endpoints: []");
    chmodSync(path("secret.yaml"), 0);
    expect(faultOf(() => readEndpointsFile(path("secret.yaml")))).toMatch(/cannot be read: EACCES/);
  });

  it("a file of more than 1 MiB is refused unread", () => {
    writeFileSync(path("large.yaml"), `# ${"x".repeat(1024 * 1024)}`);
    expect(faultOf(() => readEndpointsFile(path("large.yaml")))).toMatch(
      /large\.yaml: has 1048578 bytes; an endpoints file has at most 1048576$/,
    );
    writeFileSync(path("full.yaml"), `endpoints: [] # ${"x".repeat(1024 * 1024 - 16)}`);
    expect(readEndpointsFile(path("full.yaml"))).toEqual([]);
  });
});
