// Checks the arguments of `subscribe` and `publish` before anything is done.
import { PayloadError, TopicError } from "../api/errors.ts";
import { MAX_ROW } from "../hibernation/row.ts";
import { isOver } from "../sending/data.ts";

const isName = (value: unknown): value is string =>
  typeof value === "string" && value !== "" && value.isWellFormed() && !isOver(value, 256);

/** @throws {@link TopicError} */
export function checkTopic(topic: unknown): asserts topic is string {
  if (!isName(topic)) throw new TopicError("A topic is a text of 1 to 256 bytes of UTF-8.");
}

/** @throws {@link TopicError} */
export function checkId(id: unknown): asserts id is string | undefined {
  if (id !== undefined && !isName(id))
    throw new TopicError("The id of a publication is a text of 1 to 256 bytes of UTF-8.");
}

/** @throws {@link TopicError} */
export function checkRange({ since, last }: { since?: unknown; last?: unknown }): void {
  if (since !== undefined && typeof since !== "string") {
    throw new TopicError("The option since is a position, which is a text: leave it out where there is none.");
  }
  if (last !== undefined && !(Number.isSafeInteger(last) && (last as number) >= 0)) {
    throw new TopicError("The option last is a whole number of publications from 0.");
  }
}

/** The rest of a row is for its numbers. */
const MAX_RECORD = MAX_ROW - 128;

/** @throws {@link PayloadError} for a publication that no history can store */
export function checkRecord({ length }: Uint8Array): void {
  if (length <= MAX_RECORD) return;
  throw new PayloadError(
    `Not published: with its id and time it has ${length} bytes, and a row of a history takes ${MAX_RECORD}. Publish where the data is instead.`,
  );
}
