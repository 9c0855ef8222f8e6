// The number of the form of what Socle keeps, and of what Worker and object tell each other.
import { SessionVersionError } from "../api/errors.ts";

/** It goes up with what the code of before could not read. What each has written stays in test/forms. */
export const FORM = 1;

/** Of an attachment that has subscriptions: what knows only the first would go on without them. */
export const SUBSCRIBED = 2;

/** Carries it. An array has it as a property beside its items, which structured clone keeps and no decoder makes. */
export interface Formed {
  socle?: number;
}

/** What 0.1.0 has written into storage and told its objects has none. */
export const isKnown = ({ socle = FORM }: Formed): boolean => socle === FORM;

/** With the number. */
export function formed<T extends object>(kept: T & Formed, form = FORM): T & Formed {
  kept.socle = form;
  return kept;
}

/** Of another version of Socle, after a rollback. */
export const unknownForm = ({ socle }: Formed): SessionVersionError =>
  new SessionVersionError(
    `It was saved in form ${socle}, and this version of Socle reads up to ${SUBSCRIBED}: deploy a later version of Socle.`,
  );
