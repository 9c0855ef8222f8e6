// What a test is told. Kept apart from Socle's other errors: `socle/testing` is no part of a Worker.

/** The answer to {@link connect} was no 101. */
export class HandshakeError extends Error {
  override readonly name = "HandshakeError";
  /** The answer; its body has been read, and is {@link body}. */
  declare readonly response: Response;
  /** The text of the answer. */
  declare readonly body: string;

  constructor(path: string, response: Response, body: string) {
    super(`No session at ${path}: the answer is ${response.status}${body && `, "${body}"`}.`);
    Object.assign(this, { response, body });
  }
}

/** What a {@link Client} waited for did not come in time. */
export class TimeoutError extends Error {
  override readonly name = "TimeoutError";
}

/** A {@link Client} was to take a message, and its session has ended. */
export class ConnectionClosedError extends Error {
  override readonly name = "ConnectionClosedError";
}

/** There is no `cloudflare:test`, which a function of `socle/testing` needs. */
export class TestEnvironmentError extends Error {
  override readonly name = "TestEnvironmentError";
}

/** An object did not go to sleep, or did not end. */
export class HibernationError extends Error {
  override readonly name = "HibernationError";
}
