/**
 * Addresses of the endpoints as a shard reads them from the columns: each is decoded once, and again only when the
 * fleet has changed.
 */
import { layout } from "./layout.ts";

export class EndpointAddresses {
  readonly #bytes: Buffer;
  readonly #state: Uint32Array;
  readonly #head: Int32Array;
  #fleet = -1;
  #hostPorts: string[] = [];
  /** The same, each as a list of one. */
  #onlyTargets: (readonly string[])[] = [];
  /** Slots of the present endpoints by IP address, made when first asked for. */
  #slots: Map<string, number[]> | undefined;

  constructor(memory: WebAssembly.Memory) {
    const { buffer } = memory;
    this.#bytes = Buffer.from(buffer, layout.COLUMN_ADDRESS, layout.ENDPOINTS_MAX * layout.ADDRESS_STRIDE);
    this.#state = new Uint32Array(buffer, layout.COLUMN_STATE, layout.ENDPOINTS_MAX);
    this.#head = new Int32Array(buffer, layout.ENDPOINTS, 16);
  }

  /** `ip:port` of the endpoint that has, or last had, the slot. */
  hostPort(slot: number): string {
    this.#forgetIfChanged();
    return (this.#hostPorts[slot] ??= this.#decode(slot));
  }

  /** `ip:port` of the slot as a list of one: the same list until the fleet changes. */
  asOnlyTarget(slot: number): readonly string[] {
    this.#forgetIfChanged();
    return (this.#onlyTargets[slot] ??= [this.hostPort(slot)]);
  }

  /** Slots of the endpoints that are present at these IP addresses, whatever their ports. */
  slotsOf(addresses: readonly string[]): number[] {
    this.#forgetIfChanged();
    const slots = (this.#slots ??= this.#indexSlots());
    return addresses.flatMap((address) => slots.get(address) ?? []);
  }

  #indexSlots(): Map<string, number[]> {
    const index = new Map<string, number[]>();
    const slotCount = this.#head[layout.ENDPOINTS_SLOT_COUNT / 4] ?? 0;
    for (let slot = 0; slot < slotCount; slot++) {
      if (((this.#state[slot] ?? 0) & layout.ENDPOINT_PRESENT) === 0) continue;
      const hostPort = this.hostPort(slot);
      const address = hostPort.slice(0, hostPort.lastIndexOf(":")).replace(/^\[|\]$/g, "");
      const known = index.get(address);
      if (known === undefined) index.set(address, [slot]);
      else known.push(slot);
    }
    return index;
  }

  #decode(slot: number): string {
    const at = slot * layout.ADDRESS_STRIDE;
    return this.#bytes.toString("latin1", at + 1, at + 1 + (this.#bytes[at] ?? 0));
  }

  #forgetIfChanged(): void {
    const fleet = Atomics.load(this.#head, layout.ENDPOINTS_FLEET / 4);
    if (fleet === this.#fleet) return;
    this.#fleet = fleet;
    this.#hostPorts = [];
    this.#onlyTargets = [];
    this.#slots = undefined;
  }
}
