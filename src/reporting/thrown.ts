// What was thrown, made readable: anything can be.

/** What was thrown, as an Error that can be read, logged and awaited. It never throws. */
export function toError(thrown: unknown): Error {
  try {
    if (!(thrown instanceof Error)) return new Error("Not an Error: see cause", { cause: thrown });
    // To await one that has a `then` would run that.
    if (`${thrown.name}${thrown.message}${thrown.stack}` && !("then" in thrown)) return thrown;
  } catch {
    // A proxy that was revoked, or getters that throw: as a cause it would make the log throw.
  }
  const error = new Error("The thrown value can't be read");
  for (const name of ["name", "message", "stack"] as const) {
    try {
      Object.defineProperty(error, name, { value: `${(thrown as Error)[name]}` });
    } catch {
      // The others may say something.
    }
  }
  return error;
}
