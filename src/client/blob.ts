// Bytes as a platform has them: not each makes a Blob of them.
import { dataFrame, made } from "../wire/frame.ts";

/** Undefined where the platform makes no Blob of bytes: React Native's throws, or makes a text of them. */
export function blobOf(bytes: ArrayBuffer): Blob | undefined {
  const blob = made(() => new Blob([bytes]));
  return blob?.size === bytes.byteLength ? blob : undefined;
}

/** The frame of a binary message. */
export function binaryFrame(data: ArrayBuffer | ArrayBufferView | Blob): Uint8Array | Blob {
  // Without a mention of the global, which may be missing.
  if ((data as Blob).size === undefined) return dataFrame(data as ArrayBuffer);
  const type = blobOf(new ArrayBuffer(1));
  if (!type) throw new TypeError("Blobs can't hold bytes here: send an ArrayBuffer.");
  return new Blob([type, data]);
}
