/** One of a proxy's connections: when the peer gives it up, another takes its place, and the old one finishes. */
import type { Clock } from "../../src/base/clock.ts";
import { ConfigError, messageOf } from "../../src/base/errors.ts";
import { LoadConnection, type Target } from "./connection.ts";
import type { HeaderBlocks } from "./header-block.ts";

const CONNECT_ATTEMPTS_MAX = 5;
const CONNECT_RETRY_MS = 100;

export interface LaneEvents {
  readonly clock: Clock;
  /** A connection takes streams again. */
  readonly onReady: () => void;
  readonly onFailed: (error: Error) => void;
  readonly onConnected: () => void;
}

export class Lane {
  readonly #target: Target;
  readonly #headerBlocks: HeaderBlocks;
  readonly #events: LaneEvents;
  /** All that are not closed: the one in use and those that finish their streams. */
  readonly #connections = new Set<LoadConnection>();
  #isEnded = false;
  connection: LoadConnection | undefined;

  constructor(target: Target, blocks: HeaderBlocks, events: LaneEvents) {
    this.#target = target;
    this.#headerBlocks = blocks;
    this.#events = events;
  }

  async connect(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#connectOnce();
      } catch (error) {
        const { host, port } = this.#target;
        const message = `no connection to ${host}:${port}: ${messageOf(error)}`;
        if (attempt === CONNECT_ATTEMPTS_MAX) throw new ConfigError(message, { cause: error });
        await new Promise<void>((resolve) => this.#events.clock.setTimeout(resolve, CONNECT_RETRY_MS));
      }
    }
  }

  /** Opens another connection; the one in use takes no streams from now on and is closed behind its last. */
  renew(): void {
    this.connection?.finish();
  }

  /** Loses the connection in use; its streams are taken for not begun. */
  drop(): void {
    this.connection?.drop();
  }

  end(): void {
    this.#isEnded = true;
    for (const connection of this.#connections) connection.destroy();
  }

  async #connectOnce(): Promise<void> {
    const connection = await LoadConnection.open({
      target: this.#target,
      headerBlocks: this.#headerBlocks,
      onDraining: () => this.#replace(),
      onClosed: (closed) => {
        this.#connections.delete(closed);
        if (this.connection === closed) this.#replace();
      },
    });
    if (this.#isEnded) return connection.destroy();
    this.#connections.add(connection);
    this.connection = connection;
    this.#events.onConnected();
  }

  #replace(): void {
    this.connection = undefined;
    if (this.#isEnded) return;
    this.connect().then(
      () => this.#events.onReady(),
      (error: Error) => this.#events.onFailed(error),
    );
  }
}
