/**
 * Kubernetes label selectors: the schema of one, and whether labels match it. Rules of names and values are those of
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
 */
import { z } from "zod";
import type { Labels } from "./fleet.ts";

/** All of it must hold; an empty selector matches everything. */
export interface LabelSelector {
  readonly matchLabels?: Labels | null | undefined;
  readonly matchExpressions?: readonly LabelRequirement[] | null | undefined;
}

export interface LabelRequirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  /** One or more for In and NotIn, none for Exists and DoesNotExist. */
  readonly values?: readonly string[] | null | undefined;
}

/** Characters of a name or a value, and of the prefix before a name's slash. */
const NAME_SIZE_MAX = 63;
const PREFIX_SIZE_MAX = 253;

const NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

const labelKey = z.string().refine(isLabelKey, "must be a label's name, like role or example.com/role");
const labelValue = z.string().refine(isLabelValue, "must be a label's value: up to 63 of A-Z a-z 0-9 - _ .");

const requirement = z
  .strictObject({
    key: labelKey,
    operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
    values: z.array(labelValue).nullish(),
  })
  .superRefine(({ operator, values }, context) => {
    const takesValues = operator === "In" || operator === "NotIn";
    if ((values ?? []).length > 0 === takesValues) return;
    const message = takesValues ? `${operator} needs at least one value` : `${operator} takes no values`;
    context.addIssue({ code: "custom", path: ["values"], message });
  });

export const labelSelector: z.ZodType<LabelSelector> = z.strictObject({
  matchLabels: z.record(labelKey, labelValue).nullish().meta({ description: "labels and the values they must have" }),
  matchExpressions: z
    .array(requirement)
    .nullish()
    .meta({ description: "requirements: key, operator In, NotIn, Exists or DoesNotExist, values" }),
});

/** Whether labels fulfil every requirement of the selector. */
export function labelMatcher(selector: LabelSelector): (labels: Labels) => boolean {
  const equal = Object.entries(selector.matchLabels ?? {});
  const tests = (selector.matchExpressions ?? []).map(requirementTest);
  return (labels) =>
    equal.every(([key, value]) => ownLabel(labels, key) === value) && tests.every((test) => test(labels));
}

function requirementTest({ key, operator, values }: LabelRequirement): (labels: Labels) => boolean {
  const allowed = new Set<string | undefined>(values ?? []);
  switch (operator) {
    case "In":
      return (labels) => allowed.has(ownLabel(labels, key));
    // A missing label is in no list, so NotIn keeps it.
    case "NotIn":
      return (labels) => !allowed.has(ownLabel(labels, key));
    case "Exists":
      return (labels) => ownLabel(labels, key) !== undefined;
    case "DoesNotExist":
      return (labels) => ownLabel(labels, key) === undefined;
  }
}

/** A label's value; not what every object inherits under such a name. */
export function ownLabel(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function isLabelKey(text: string): boolean {
  const parts = text.split("/");
  const name = parts.pop() ?? "";
  if (parts.length > 1 || name.length > NAME_SIZE_MAX || !NAME.test(name)) return false;
  const [prefix] = parts;
  return prefix === undefined || (prefix.length <= PREFIX_SIZE_MAX && PREFIX.test(prefix));
}

function isLabelValue(text: string): boolean {
  return text === "" || (text.length <= NAME_SIZE_MAX && NAME.test(text));
}
