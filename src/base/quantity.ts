/**
 * Kubernetes quantities: `4Gi`, `16M`, `1e9`, `500m`, or a plain number. Used for sizes and counts in configuration
 * files and flags.
 */

const FACTORS: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

const QUANTITY = /^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?$/;

/**
 * The number that a quantity stands for, rounded up to a whole one as Kubernetes does for counts; undefined for a text
 * that is none. Source: `k8s.io/apimachinery/pkg/api/resource`.
 */
export function parseQuantity(quantity: string | number): number | undefined {
  const match = QUANTITY.exec(String(quantity));
  if (match === null) return undefined;
  const [, digits = "", exponent = "", suffix = ""] = match;
  const factor = FACTORS[suffix];
  if (factor === undefined) return undefined;
  const value = Number(digits + exponent) * factor;
  if (!Number.isFinite(value)) return undefined;
  // What a binary fraction leaves over, as in 0.1 × 1000, is no reason to round up.
  const nearest = Math.round(value);
  return (Math.abs(value - nearest) <= Math.abs(value) * 1e-12 ? nearest : Math.ceil(value)) + 0;
}
