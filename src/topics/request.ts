// Checks the arguments of `subscribe` and `publish` before anything is done.
import { PayloadError, TopicError } from "../api/errors.ts";
import { MAX_ROW } from "../hibernation/row.ts";
import { isOver } from "../sending/data.ts";

const isName = (value: unknown): value is string =>
  typeof value === "string" && value !== "" && value.isWellFormed() && !isOver(value, 256);

/** @throws {@link TopicError} */
export function checkTopic(topic: unknown): asserts topic is string {
  if (!isName(topic)) throw new TopicError("A topic must be a string of 1 to 256 bytes of UTF-8.");
}

/** @throws {@link TopicError} */
export function checkId(id: unknown): asserts id is string | undefined {
  if (id !== undefined && !isName(id))
    throw new TopicError("The id of a publication must be a string of 1 to 256 bytes of UTF-8.");
}

/** @throws {@link TopicError} */
export function checkRange({ since, last }: { since?: unknown; last?: unknown }): void {
  if (since !== undefined && typeof since !== "string") {
    throw new TopicError("The option since must be a position, which is a string: omit it if there is none.");
  }
  if (last !== undefined && !(Number.isSafeInteger(last) && (last as number) >= 0)) {
    throw new TopicError("The option last must be a whole number from 0.");
  }
}

/** The rest of a row is for its numbers. */
const MAX_RECORD = MAX_ROW - 128;

/** @throws {@link PayloadError} for a publication that no history can store */
export function checkRecord({ length }: Uint8Array): void {
  if (length <= MAX_RECORD) return;
  throw new PayloadError(
    `Not published: with its id and time it has ${length} bytes, and a row takes ${MAX_RECORD}. Store the data elsewhere, and publish its key.`,
  );
}
