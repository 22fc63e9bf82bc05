/** An objective: a name that clients put into a header, and the priority that it gives their requests. */
export interface Objective {
  readonly name: string;
  /** Higher goes first; below 0 a request may be shed. */
  readonly priority: number;
}
