// The data of a message: a text, or bytes.
import { PayloadError } from "../api/errors.ts";

export type Data = string | ArrayBuffer | ArrayBufferView;

export function isData(value: unknown): value is Data {
  try {
    return typeof value === "string" || value instanceof ArrayBuffer || ArrayBuffer.isView(value);
  } catch {
    // A revoked proxy.
    return false;
  }
}

export function checkData(value: unknown): asserts value is Data {
  if (isData(value)) return;
  throw new PayloadError(
    "Not sent: a message must be a string, an ArrayBuffer, a view, or have a [WebSocketSendAsync] method.",
  );
}

/**
 * Replaces half a surrogate pair with U+FFFD. The platform would send it as it is, and browsers then end the
 * connection.
 */
export const wellFormed = (data: Data): Data => (typeof data === "string" ? data.toWellFormed() : data);

/** Bytes that nobody can change any more. */
const settled = new WeakSet<object>();

/** Makes one copy that all sessions to which it is sent can share. */
export function settle(data: Data): Data {
  const copy = copyOf(data);
  if (typeof copy !== "string") settled.add(copy);
  return copy;
}

/** Copies a view's own bytes, not all of its buffer. */
export const copyOf = (data: Data): Data => {
  if (typeof data === "string" || settled.has(data)) return data;
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
    : data.slice(0);
};

/** The approximate size in bytes; of a text its length. */
export const sizeOf = (data: Data): number => (typeof data === "string" ? data.length : data.byteLength);

/** Whether a message has too many bytes. A text is encoded only if its length doesn't decide. */
export const isOver = (message: string | ArrayBuffer, max: number): boolean =>
  typeof message !== "string"
    ? message.byteLength > max
    : message.length * 3 > max && (message.length > max || new TextEncoder().encode(message).length > max);
