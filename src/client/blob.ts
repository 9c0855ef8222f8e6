// Converts bytes to a Blob, which not every platform can do.
import { dataFrame, made } from "../wire/frame.ts";

/** Undefined if the platform can't make a Blob of bytes: React Native's throws, or makes a text of them. */
export function blobOf(bytes: ArrayBuffer): Blob | undefined {
  const blob = made(() => new Blob([bytes]));
  return blob?.size === bytes.byteLength ? blob : undefined;
}

export function binaryFrame(data: ArrayBuffer | ArrayBufferView | Blob): Uint8Array | Blob {
  // Doesn't mention the global Blob, which may be missing.
  if ((data as Blob).size === undefined) return dataFrame(data as ArrayBuffer);
  const type = blobOf(new ArrayBuffer(1));
  if (!type) throw new TypeError("Blobs can't hold bytes here: send an ArrayBuffer.");
  return new Blob([type, data]);
}
