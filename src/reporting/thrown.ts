// Makes any thrown value readable.

/** A thrown value as an Error that can be read, logged and awaited. Never throws. */
export function toError(thrown: unknown): Error {
  try {
    if (!(thrown instanceof Error)) return new Error("Not an Error: see cause", { cause: thrown });
    // Awaiting an error with a `then` would run it.
    if (`${thrown.name}${thrown.message}${thrown.stack}` && !("then" in thrown)) return thrown;
  } catch {
    // A revoked proxy, or getters that throw: as a cause it would make the log throw.
  }
  const error = new Error("The thrown value can't be read");
  for (const name of ["name", "message", "stack"] as const) {
    try {
      Object.defineProperty(error, name, { value: `${(thrown as Error)[name]}` });
    } catch {
      // The other properties may be readable.
    }
  }
  return error;
}
