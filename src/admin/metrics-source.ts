/**
 * Where the metrics page gets its text from. A source gives an exposition in slices, and each slice is made when the
 * one before has been taken: a large exposition neither holds the control thread for long nor lies in memory whole.
 */

export interface MetricsSource {
  /** Content type of what `expose` gives. */
  readonly contentType: string;
  /**
   * One scrape. Slices of some 10 KiB to 100 KiB are best; between two of them the control thread does other work, so
   * values of one exposition may be some milliseconds apart. Several scrapes may be under way at once. An iteration
   * that is left early is ended by its `return`.
   */
  expose(): AsyncIterable<string>;
}
