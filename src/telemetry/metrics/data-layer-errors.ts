/** Counts failures of the data layer by the types of plugins that they came from. */

export class DataLayerErrors {
  readonly #polls = new Map<string, number>();
  readonly #extracts = new Map<string, Map<string, number>>();

  /** A source could not be polled: no answer, a bad status, too late. */
  countPoll(sourceType: string): void {
    this.#polls.set(sourceType, (this.#polls.get(sourceType) ?? 0) + 1);
  }

  /** A source answered, and an extractor found not what it looks for. */
  countExtract(sourceType: string, extractorType: string): void {
    const extractors = this.#extracts.get(sourceType) ?? new Map<string, number>();
    this.#extracts.set(sourceType, extractors);
    extractors.set(extractorType, (extractors.get(extractorType) ?? 0) + 1);
  }

  polls(): readonly (readonly [sourceType: string, count: number])[] {
    return [...this.#polls];
  }

  extracts(): readonly (readonly [sourceType: string, extractorType: string, count: number])[] {
    return [...this.#extracts].flatMap(([source, extractors]) =>
      [...extractors].map(([extractor, count]) => [source, extractor, count] as const),
    );
  }
}
