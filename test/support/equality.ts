// Makes two ArrayBuffers equal only if their bytes are. For Vitest's own comparison any two are equal.
import { expect } from "vitest";

expect.addEqualityTesters([
  (one: unknown, other: unknown) => {
    if (!(one instanceof ArrayBuffer && other instanceof ArrayBuffer)) return undefined;
    const bytes = new Uint8Array(other);
    return one.byteLength === other.byteLength && new Uint8Array(one).every((byte, index) => byte === bytes[index]);
  },
]);
