/**
 * Natural logarithm. The standard library's has tables, and tables are data segments, which this module must not have.
 * x = m × 2^e with m in [√½, √2); ln m = 2 × atanh(s) = 2 × (s + s³/3 + s⁵/5 + …), s = (m − 1) / (m + 1). As |s| <
 * 0.172, the terms that are left out are below 2^-53 of the sum.
 */

/** ln x of a positive normal number. */
export function naturalLog(x: f64): f64 {
  const bits = reinterpret<u64>(x);
  let exponent = <i32>((bits >> 52) & 0x7ff) - 1023;
  let mantissa = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (mantissa > Math.SQRT2) {
    mantissa *= 0.5;
    exponent++;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  return <f64>exponent * Math.LN2 + 2 * s * (1 + oddPowers(s * s));
}

/** z/3 + z²/5 + … + z¹¹/23: divisions by constants are made when this is compiled. */
function oddPowers(z: f64): f64 {
  const high = ((((z * (1.0 / 23) + 1.0 / 21) * z + 1.0 / 19) * z + 1.0 / 17) * z + 1.0 / 15) * z + 1.0 / 13;
  return (((((high * z + 1.0 / 11) * z + 1.0 / 9) * z + 1.0 / 7) * z + 1.0 / 5) * z + 1.0 / 3) * z;
}
