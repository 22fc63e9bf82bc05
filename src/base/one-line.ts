/** Keeps what a client sent (a model's name, a request id) on the line that it is written into. */

/** The text with control characters and line breaks of any kind written as `\u000a`. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
