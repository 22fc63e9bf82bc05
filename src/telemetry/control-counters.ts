/** What the control thread itself counts, for metrics. */

/** Counted on the control thread. */
export interface ControlCounters {
  scrapesSucceeded: number;
  scrapesFailed: number;
  becameReachable: number;
  becameUnreachable: number;
  endpointsFileReloads: number;
  endpointsFileFaults: number;
  shardRestarts: number;
  indexWriterRestarts: number;
  tlsHandshakesFailed: number;
  /** Connections to ext_proc that were given up for what their client sent. */
  connectionsFailed: number;
  connectionsShed: number;
  /** Visitors of the metrics port that were over a bound. */
  readonly adminTurnedAway: { connections: number; answers: number; stalled: number };
}

export function newControlCounters(): ControlCounters {
  return {
    scrapesSucceeded: 0,
    scrapesFailed: 0,
    becameReachable: 0,
    becameUnreachable: 0,
    endpointsFileReloads: 0,
    endpointsFileFaults: 0,
    shardRestarts: 0,
    indexWriterRestarts: 0,
    tlsHandshakesFailed: 0,
    connectionsFailed: 0,
    connectionsShed: 0,
    adminTurnedAway: { connections: 0, answers: 0, stalled: 0 },
  };
}
