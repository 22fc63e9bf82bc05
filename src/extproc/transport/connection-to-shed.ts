/** Which connection a shard gives up so that another shard gets its streams. */

/** What is to be known of a connection that takes new streams. */
export interface CarryingConnection {
  readonly openStreamCount: number;
}

/**
 * The connection whose part of all open streams comes closest to `share`, 0 to 1. Undefined unless two of them have
 * streams: the only one that has any would take the whole load with it, wherever it goes.
 */
export function connectionToShed<Connection extends CarryingConnection>(
  connections: Iterable<Connection>,
  share: number,
): Connection | undefined {
  const carrying = [...connections].filter(({ openStreamCount }) => openStreamCount > 0);
  if (carrying.length < 2) return undefined;
  const wanted = share * carrying.reduce((sum, { openStreamCount }) => sum + openStreamCount, 0);
  const distance = ({ openStreamCount }: Connection): number => Math.abs(openStreamCount - wanted);
  return carrying.reduce((best, one) => (distance(one) < distance(best) ? one : best));
}
