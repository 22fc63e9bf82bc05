/** What a program's exit code says, once: the code and `docs/flags.md` come from this table. */

export type ExitReason = "done" | "failed" | "usage" | "streamsCut" | "forced";

export const EXIT_CODES: Readonly<Record<ExitReason, { readonly code: number; readonly meaning: string }>> = {
  done: { code: 0, meaning: "Ended as asked: every open stream was served to its end." },
  failed: { code: 1, meaning: "A defect or a fault of the system, with a word on standard error." },
  usage: { code: 2, meaning: "Flags, files or ports that cannot be used; standard error says what would be right." },
  streamsCut: {
    code: 3,
    meaning: "Ended as asked, but streams were still open after `--drain-timeout` and were cut.",
  },
  // 128 + SIGINT, as shells have it.
  forced: { code: 130, meaning: "A second signal ended it at once; open streams were cut." },
};
