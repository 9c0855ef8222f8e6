/** The name of the objects that only this page uses. */
export const visitor = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (byte % 36).toString(36)).join(
  "",
);
