/**
 * Takes TypeScript apart into code, strings and comments without a parser: rules about code must not trip over a
 * comment or a string that speaks of it. Knows quotes, templates (also nested), both kinds of comment, and regular
 * expressions, which count as strings.
 */

export interface SplitSource {
  readonly code: string;
  readonly codeAndStrings: string;
  readonly comments: string;
}

type Part = "code" | "string" | "comment";

/** A token: the first of these that fits. A template's text ends at its `${`, whose code is scanned as code. */
const TOKEN = new RegExp(
  [
    String.raw`//[^\n]*`,
    String.raw`/\*[^]*?\*/`,
    String.raw`"(?:\\.|[^"\\\n])*"`,
    String.raw`'(?:\\.|[^'\\\n])*'`,
    "[`{}]",
    String.raw`/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+/[a-z]*`,
    String.raw`[\w$]+`,
    String.raw`\s+`,
    "[^]",
  ].join("|"),
  "y",
);

/** Behind these a slash begins a regular expression, not a division. */
const BEFORE_REGEXP = /(?:^|[(,=:[!&|?{};+\-*%~<>]|\b(?:return|typeof|case|of|in))$/;

export function splitSource(text: string): SplitSource {
  const views = { code: "", codeAndStrings: "", comments: "" };
  const emit = (part: Part, token: string): void => {
    const blank = token.replace(/[^\n]/g, " ");
    views.code += part === "code" ? token : part === "string" ? hollow(token) : blank;
    views.codeAndStrings += part === "comment" ? blank : token;
    views.comments += part === "comment" ? token : blank;
  };
  scan(text, emit);
  return views;
}

function scan(text: string, emit: (part: Part, token: string) => void): void {
  /** Open braces: "template" for a `${`, which the text of a template continues behind. */
  const braces: ("block" | "template")[] = [];
  let before = "";
  let position = 0;
  while (position < text.length) {
    TOKEN.lastIndex = position;
    let token = TOKEN.exec(text)?.[0] ?? "";
    let part: Part = "code";
    const isTemplate = token === "`" || (token === "}" && braces.pop() === "template");
    if (isTemplate) {
      token = templateText(text, position);
      part = "string";
      if (token.endsWith("${")) braces.push("template");
    } else if (token === "{") braces.push("block");
    else if (/^\/[/*]/.test(token)) part = "comment";
    else if (/^["']/.test(token)) part = "string";
    else if (token.length > 1 && token.startsWith("/")) {
      if (BEFORE_REGEXP.test(before)) part = "string";
      else token = "/";
    }
    emit(part, token);
    position += token.length;
    if (part !== "comment" && token.trim() !== "") before = part === "string" ? "x" : token;
  }
}

/** From a backtick, or the brace that ends an expression, to the closing backtick or the next `${`. */
function templateText(text: string, start: number): string {
  const rest = /(?:\\[^]|\$(?!\{)|[^`\\$])*(?:`|\$\{|$)/y;
  rest.lastIndex = start + 1;
  return text.slice(start, start + 1) + (rest.exec(text)?.[0] ?? "");
}

/** A string with its quotes and nothing between them. */
function hollow(token: string): string {
  return token.slice(0, 1) + token.slice(1, -1).replace(/[^\n]/g, " ") + token.slice(-1);
}
