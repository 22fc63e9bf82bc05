/** The project's files as the tidy rules see them: by path from the root, with their text, code and comments apart. */
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { splitSource } from "./split-source.ts";

export interface ProjectFile {
  /** From the project's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** A TypeScript or JavaScript file: same lines and columns in all three, what is not theirs is blank. */
export interface SourceFile extends ProjectFile {
  /** Without comments, and with the contents of strings blank. */
  readonly code: string;
  /** Without comments. */
  readonly codeAndStrings: string;
  readonly comments: string;
}

export class Project {
  readonly files: readonly ProjectFile[];
  readonly sources: readonly SourceFile[];
  /** Files and folders. */
  readonly #paths: ReadonlySet<string>;

  constructor(files: readonly ProjectFile[]) {
    this.files = files;
    this.sources = files
      .filter(({ path }) => /\.(?:ts|mjs)$/.test(path))
      .map((file) => ({ ...file, ...splitSource(file.text) }));
    this.#paths = new Set(files.flatMap((file) => withFolders(file.path)));
  }

  /** Sources whose path starts with one of these. */
  sourcesIn(...prefixes: readonly string[]): SourceFile[] {
    return this.sources.filter((file) => prefixes.some((prefix) => file.path.startsWith(prefix)));
  }

  /** Markdown documents. */
  get documents(): ProjectFile[] {
    return this.files.filter((file) => file.path.endsWith(".md"));
  }

  file(wanted: string): ProjectFile | undefined {
    return this.files.find((file) => file.path === wanted);
  }

  /** Whether there is such a file or folder. */
  has(wanted: string): boolean {
    return this.#paths.has(wanted.replace(/\/$/, ""));
  }
}

/** A project made of these texts by path: for the rules' own examples. */
export function exampleProject(texts: Readonly<Record<string, string>>): Project {
  return new Project(Object.entries(texts).map(([path, text]) => ({ path, text })));
}

/** What is installed, built, measured or downloaded is not the project's text. */
const SKIPPED: ReadonlySet<string> = new Set([
  ".git",
  ".venv",
  "build",
  "coverage",
  "dist",
  "node_modules",
  "bench/results",
]);

/** Every file below the working directory, which is the project's root. */
export function readProject(): Project {
  return new Project([...walk("")]);
}

function* walk(folder: string): Iterable<ProjectFile> {
  for (const entry of readdirSync(folder === "" ? "." : folder, { withFileTypes: true })) {
    const file = posix.join(folder, entry.name);
    if (SKIPPED.has(file)) continue;
    if (entry.isDirectory()) yield* walk(file);
    else if (entry.isFile()) yield { path: file, text: readFileSync(file, "utf8") };
  }
}

function withFolders(file: string): string[] {
  const parts = file.split("/");
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

export interface Finding {
  readonly path: string;
  /** From 1; absent when the file as a whole is meant. */
  readonly line?: number;
  readonly what: string;
}

/** One finding per match, with its line. `text` is a view of the file: its text, code or comments. */
export function findMatches(file: ProjectFile, text: string, pattern: RegExp): Finding[] {
  return [...text.matchAll(pattern)].map((match) => ({
    path: file.path,
    line: text.slice(0, match.index).split("\n").length,
    what: match[0].trim(),
  }));
}

export function formatFinding({ path, line, what }: Finding): string {
  return `${path}${line === undefined ? "" : `:${line}`} ${what}`;
}
