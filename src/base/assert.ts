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

/** For the `default` of an exhaustive switch. */
export function unreachable(value: never, what: string): never {
  throw new AssertionFailure(`${what}: unexpected ${JSON.stringify(value)}`);
}
