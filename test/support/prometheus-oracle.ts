/** Reads a whole Prometheus text the obvious way, for tests to compare with. Takes well-formed texts only. */

export interface Sample {
  readonly name: string;
  readonly labels: readonly (readonly [name: string, value: string])[];
  /** As it is written. */
  readonly value: string;
}

/** Every sample of a text, character by character. */
export function parseSamples(text: string): Sample[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      let at = 0;
      const until = (ends: string): string => {
        const start = at;
        while (at < line.length && !ends.includes(line[at] as string)) at++;
        return line.slice(start, at);
      };
      const name = until("{ ");
      const labels: [string, string][] = [];
      if (line[at] === "{") {
        while (line[at] !== "}") {
          at++;
          const label = until("=");
          at += 2;
          let value = "";
          while (line[at] !== '"') {
            if (line[at] === "\\") value += line[++at] === "n" ? "\n" : (line[at] as string);
            else value += line[at] as string;
            at++;
          }
          at++;
          labels.push([label, value]);
        }
        at++;
      }
      at++;
      return { name, labels, value: until(" ") };
    });
}
