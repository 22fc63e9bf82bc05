/** Reads a picker's metrics page. */

/** Values by series, as written: `name` or `name{label="value"}`. */
export type MetricValues = Readonly<Record<string, number>>;

export async function readMetrics(port: number): Promise<MetricValues> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  const text = await response.text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(
    lines.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}
