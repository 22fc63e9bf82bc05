import { expect, it } from "vitest";
import { connectionToShed } from "../../../../src/extproc/transport/connection-to-shed.ts";

/** The place of the connection that is shed, among connections with so many open streams. */
function shed(openStreamCounts: readonly number[], share: number): number | undefined {
  const connections = openStreamCounts.map((openStreamCount, index) => ({ index, openStreamCount }));
  return connectionToShed(connections, share)?.index;
}

it.each([
  [[50, 50], 0.5, 0],
  [[90, 5, 5], 0.35, 1],
  [[10, 30, 60], 0.3, 1],
  [[10, 30, 60], 0.5, 2],
  [[0, 7, 3], 0.01, 2],
])("of connections with %j open streams, and a share of %d, it is number %i", (counts, share, index) => {
  expect(shed(counts, share)).toBe(index);
});

it.each([[[]], [[8]], [[8, 0]], [[0, 0, 0]]])("of connections with %j open streams none is to spare", (counts) => {
  expect(shed(counts, 0.5)).toBeUndefined();
});
