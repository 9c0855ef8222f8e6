// What a server tells its client first, so that the client keeps to it. Written and read as in frame.ts.
import { type Bytes, encode, type FrameReader, frameOf, malformed, SETTINGS } from "./frame.ts";

/** The texts of what is absent are empty, and those at the end may be missing. */
export type Settings = readonly [
  /** How many bytes may be untaken; 0 if nobody counts. */
  window: number,
  /** As a text frame it is the answer to a heartbeat, which is no message and which nobody counts. */
  response?: string | undefined,
  /** The heartbeat, to which the server answers without a callback. */
  request?: string | undefined,
  /** How many messages may wait at the server. */
  maxPendingMessages?: string | undefined,
  /** How many messages may come, */
  messages?: string | undefined,
  /** and in how many milliseconds. */
  perMs?: string | undefined,
];

export function settingsFrame([window, ...texts]: Settings): Bytes {
  const told = texts.slice(0, texts.findLastIndex((text) => text !== undefined) + 1);
  return frameOf(
    SETTINGS,
    [window],
    told.map((text = "") => ({ bytes: encode(text), isBinary: false })),
  );
}

export function readSettings(reader: FrameReader): Settings {
  const window = reader.number();
  const texts = [...reader.items()];
  if (texts.some((text) => typeof text !== "string")) malformed("settings with bytes");
  return [window, ...(texts as string[])] as readonly unknown[] as Settings;
}
