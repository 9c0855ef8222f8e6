// The messages that a page gets, and how the page reports them.

/** The `flowControl` of the endpoint. */
export const SETTINGS = { window: 65_536, maxBufferedAmount: 262_144 };

/** Sizes in bytes: small ones, several of which go in one frame, and one that goes alone. */
const SIZES = [10, 1000, 100, 20_000];

export const COUNT = 400;

/** The size that counts for the settings. */
export const sizeOf = (index: number): number => SIZES[index % SIZES.length]! + 32;

export function message(index: number): string | Uint8Array {
  const text = String(index).padEnd(SIZES[index % SIZES.length]!);
  return index % 3 ? text : new TextEncoder().encode(text);
}

export const told = (data: string | ArrayBuffer | Uint8Array): string =>
  typeof data === "string"
    ? `text ${data.trim()} ${data.length}`
    : `binary ${new TextDecoder().decode(data).trim()} ${data.byteLength}`;
