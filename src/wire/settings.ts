// The settings that a server sends its client first. Written and read as in frame.ts.
import { type Bytes, encode, type FrameReader, frameOf, malformed, SETTINGS } from "./frame.ts";

/** An absent text is empty, and texts at the end may be missing. */
export type Settings = readonly [
  /** How many bytes may be unacknowledged; 0 if nothing is acknowledged. */
  window: number,
  /** A text frame with this text is the answer to a heartbeat. It is not a message, and isn't counted. */
  response?: string | undefined,
  /** The heartbeat, which the server answers without a callback. */
  request?: string | undefined,
  /** How many messages may be queued at the server. */
  maxPendingMessages?: string | undefined,
  /** How many messages the client may send, */
  messages?: string | undefined,
  /** in this many milliseconds. */
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
