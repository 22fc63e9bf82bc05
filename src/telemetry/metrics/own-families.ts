/** Writes the metrics that only this picker has, `endpoint_picker_…`. */
import { type MetricSources, OWN_METRICS } from "../metrics.ts";
import { familyHead, LabelText, sampleLine } from "./exposition.ts";

/** Samples that make one piece. */
const SAMPLES_PER_PIECE = 64;

export function* ownFamilies(sources: MetricSources): Iterable<string> {
  for (const declaration of OWN_METRICS) {
    const { name, labels: names } = declaration;
    const labelText = new LabelText(names);
    let text = familyHead(declaration);
    for (const [index, { labels, value }] of declaration.read(sources).entries()) {
      const values = names.map((label) => labels[label] ?? "");
      text += sampleLine(name, labelText.of(values), value);
      if (index % SAMPLES_PER_PIECE !== SAMPLES_PER_PIECE - 1) continue;
      yield text;
      text = "";
    }
    yield text;
  }
}
