/** By what the objects of this page alone are known. */
export const visitor = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (byte % 36).toString(36)).join(
  "",
);
