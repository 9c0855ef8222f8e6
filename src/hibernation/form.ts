// The number of the form of what Socle keeps, and of what Worker and object tell each other.
import { SessionVersionError } from "../api/errors.ts";

/** Increased when older code could not read what is written. test/forms has what each form wrote. */
export const FORM = 1;

/** The form of an attachment with subscriptions: code that knows only the first form would drop them. */
export const SUBSCRIBED = 2;

/** The number is a property next to an array's items. Structured clone keeps it, and no decoder creates it. */
export interface Formed {
  socle?: number;
}

/** 0.1.0 wrote no number into storage, and told its objects none. */
export const isKnown = ({ socle = FORM }: Formed): boolean => socle === FORM;

export function formed<T extends object>(kept: T & Formed, form = FORM): T & Formed {
  kept.socle = form;
  return kept;
}

/** The form of a later version of Socle, after a rollback. */
export const unknownForm = ({ socle }: Formed): SessionVersionError =>
  new SessionVersionError(
    `It was saved in form ${socle}, and this version of Socle reads up to ${SUBSCRIBED}: deploy a later version of Socle.`,
  );
