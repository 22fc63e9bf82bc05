/** Brands: numbers that must not be mixed up. A brand exists in types only. */

declare const brand: unique symbol;

export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };
