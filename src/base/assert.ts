/**
 * Programmer errors. One condition each, on in production: a broken invariant stops its thread instead of a wrong
 * answer leaving it.
 */

class AssertionFailure extends Error {
  override readonly name = "AssertionFailure";
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}
