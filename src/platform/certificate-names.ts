/** The names under which a picker is reached, for a certificate that it makes for itself. */
import { hostname, networkInterfaces } from "node:os";

export interface CertificateNamesOptions {
  /** The address that is listened on. */
  readonly host: string;
  /** Empty when it is not known. */
  readonly poolName: string;
  readonly namespace: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const ANY_ADDRESS: readonly string[] = ["", "0.0.0.0", "::"];

/** Host names and addresses, some of them twice. */
export function certificateNames({ host, poolName, namespace, environment }: CertificateNamesOptions): string[] {
  const addresses = ANY_ADDRESS.includes(host) ? ownAddresses() : [host];
  const given = [environment["POD_IP"], hostname()].filter((name) => name !== undefined && isName(name));
  return ["localhost", "127.0.0.1", "::1", ...given, ...addresses, ...serviceNames(poolName, namespace)] as string[];
}

/** Of a pod: its IP, without help from its manifest. */
function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses);
  // A link-local address of IPv6 means nothing without its interface.
  return all.filter(({ internal, address }) => !internal && !/^fe80:/i.test(address)).map(({ address }) => address);
}

/** What llm-d's chart and KServe call the Service in front of a pool's picker. */
function serviceNames(poolName: string, namespace: string): string[] {
  if (poolName === "") return [];
  const services = [`${poolName}-epp`];
  const kserve = /^(.+)-inference-pool$/.exec(poolName)?.[1];
  if (kserve !== undefined) services.push(`${kserve}-epp-service`);
  return services
    .flatMap((service) => [service, `${service}.${namespace}`, `${service}.${namespace}.svc`])
    .filter(isName);
}

/** A certificate holds only names of letters that every reader takes. */
function isName(name: string): boolean {
  return /^[a-z0-9_.:-]{1,253}$/i.test(name);
}
