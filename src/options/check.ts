// What an option may be: a text that says it, and what finds out.
import { DeploymentError } from "../api/errors.ts";
import { isOver } from "../sending/data.ts";

type Fits = (value: unknown) => boolean;

/** What an option must be: it fits one of these. */
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

/** Or a function. */
export const orFunction = ([what, ...fits]: Check, text = `a function, or ${what}`): Check => [
  text,
  isFunction,
  ...fits,
];

/** What a value must be, and the list of what it may be, are one text. */
export const oneOf = (values: string, given: string): Check => [
  `${values}. Or a function of ${given} that returns one of these or nothing`,
  (value) => values.split(/, | or /).includes(value as string),
  isFunction,
];

/** Without what is undefined, which counts as absent. */
export const defined = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;

/**
 * Checks what is given against what there may be. What is undefined counts as absent.
 *
 * @param owner begins the error's text
 * @throws {@link DeploymentError}
 */
export function check(owner: string, given: object, checks: Checks): void {
  const names = Object.keys(checks);
  for (const [name, value] of Object.entries(given)) {
    if (!names.includes(name)) {
      throw new DeploymentError(`${owner} has the unknown option ${name}: use ${names.join(", ")}.`);
    }
    const [what, ...fits] = checks[name]!;
    if (value !== undefined && !fits.some((fit) => fit(value))) {
      throw new DeploymentError(`${owner} has an invalid ${name}: it must be ${what}.`);
    }
  }
}
