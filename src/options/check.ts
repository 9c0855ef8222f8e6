// The check of an option: a text that describes the allowed values, and functions that test a value.
import { DeploymentError } from "../api/errors.ts";
import { isOver } from "../sending/data.ts";

type Fits = (value: unknown) => boolean;

/** A value is valid if one of the functions accepts it. */
export type Check = readonly [what: string, ...fits: Fits[]];

export type Checks<Name extends PropertyKey = string> = Readonly<Record<Name, Check>>;

const isFunction: Fits = (value) => typeof value === "function";

export const isWhole =
  (least: number, most = Number.MAX_SAFE_INTEGER): Fits =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;

export const isText =
  (pattern: RegExp): Fits =>
  (value) =>
    typeof value === "string" && pattern.test(value);

export const isList =
  (pattern: RegExp): Fits =>
  (value) =>
    Array.isArray(value) && value.every(isText(pattern));

export const isPair =
  (keys: string, fits: Fits): Fits =>
  (value) =>
    Object.keys(Object(value)).toSorted().join() === keys && Object.values(value as object).every(fits);

/** The platform counts bytes of UTF-8. */
export const isShort =
  (max: number): Fits =>
  (value) =>
    typeof value === "string" && !isOver(value, max);

export const FUNCTION: Check = ["a function", isFunction];
export const SWITCH: Check = ["true or false", (value) => typeof value === "boolean"];
export const BYTES: Check = ["a whole number of bytes from 1", isWhole(1)];
export const TIMEOUT: Check = ["a whole number of milliseconds, 0 for never", isWhole(0)];

/** Allows a function as well. */
export const orFunction = ([what, ...fits]: Check, text = `a function, or ${what}`): Check => [
  text,
  isFunction,
  ...fits,
];

/** One text is both the description and the list of the allowed values. */
export const oneOf = (values: string, given: string): Check => [
  `${values}. Or a function of ${given} that returns one of these or nothing`,
  (value) => values.split(/, | or /).includes(value as string),
  isFunction,
];

/** Removes properties that are undefined, which count as absent. */
export const defined = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;

/** Whether as many edits at most, each a letter more, less or another, lead from one text to the other. */
function isNear(one: string, other: string, edits: number): boolean {
  if (one === other) return true;
  const [ofOne, ofOther] = [one.slice(1), other.slice(1)];
  if (one[0] === other[0]) return isNear(ofOne, ofOther, edits);
  const rest = edits - 1;
  return edits > 0 && (isNear(ofOne, ofOther, rest) || isNear(ofOne, other, rest) || isNear(one, ofOther, rest));
}

/**
 * Checks the given options. A value that is undefined counts as absent.
 *
 * @param owner the beginning of the error message
 * @throws {@link DeploymentError}
 */
export function check(owner: string, given: object, checks: Checks): void {
  const names = Object.keys(checks);
  for (const [name, value] of Object.entries(given)) {
    if (!names.includes(name)) {
      // In a short name one edit is much already.
      const edits = name.length < 6 ? 1 : 2;
      const near = names.find((one) => isNear(name.toLowerCase(), one.toLowerCase(), edits));
      const question = near ? `did you mean ${near}? Or ` : "";
      throw new DeploymentError(`${owner} has the unknown option ${name}: ${question}use ${names.join(", ")}.`);
    }
    const [what, ...fits] = checks[name]!;
    if (value !== undefined && !fits.some((fit) => fit(value))) {
      throw new DeploymentError(`${owner} has an invalid ${name}: it must be ${what}.`);
    }
  }
}
