/** Reading untrusted JSON objects, field by field. */
import { badRequest } from "./api-error.ts";

export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Throws `ApiError` unless the bytes are a JSON object. */
export function parseFields(body: Buffer): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw badRequest(`The body is not JSON: ${(error as Error).message}`);
  }
  if (!isFields(parsed)) throw badRequest("The body is not a JSON object");
  return parsed;
}

interface FieldTypes {
  string: string;
  number: number;
  boolean: boolean;
}

/** A field of the given type; absent when it is missing or null. Throws `ApiError` when it is of another type. */
export function optionalField<Type extends keyof FieldTypes>(
  fields: Fields,
  name: string,
  type: Type,
): FieldTypes[Type] | undefined {
  const value = fields[name] ?? undefined;
  const isAccepted = value === undefined || typeof value === type;
  if (!isAccepted) throw badRequest(`${name} must be a ${type}`, name);
  return value as FieldTypes[Type] | undefined;
}
