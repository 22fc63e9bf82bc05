/** The form of a tidy rule. */
import type { Finding, Project } from "./project.ts";

/** One house rule. A rule that cannot fail is no rule: its own examples show both outcomes. */
export interface Rule {
  /** What holds. */
  readonly name: string;
  /** What to do instead. */
  readonly instead: string;
  readonly find: (project: Project) => readonly Finding[];
  /** Files by path in which the rule finds something: each of these alone, or several that belong together. */
  readonly broken: readonly Readonly<Record<string, string>>[];
  /** Files in which it finds nothing although they come close. */
  readonly clean: Readonly<Record<string, string>>;
}
