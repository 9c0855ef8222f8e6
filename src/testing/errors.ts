// The errors of tests. They are apart from Socle's other errors because `socle/testing` is not part of a Worker.

/** The status of the answer to {@link connect} was not 101. */
export class HandshakeError extends Error {
  override readonly name = "HandshakeError";
  /** The answer. Its body has already been read and is {@link body}. */
  declare readonly response: Response;
  /** The text of the answer. */
  declare readonly body: string;

  constructor(path: string, response: Response, body: string) {
    super(`No session at ${path}: the answer is ${response.status}${body && `, "${body}"`}.`);
    Object.assign(this, { response, body });
  }
}

/** What a {@link Client} waited for did not happen in time. The message tells what arrived. */
export class TimeoutError extends Error {
  override readonly name = "TimeoutError";
}

/** A {@link Client} was about to take a message, but its session has ended. */
export class ConnectionClosedError extends Error {
  override readonly name = "ConnectionClosedError";
}

/** There is no `cloudflare:test`, which a function of `socle/testing` needs. */
export class TestEnvironmentError extends Error {
  override readonly name = "TestEnvironmentError";
}

/** An object did not hibernate, or did not end. */
export class HibernationError extends Error {
  override readonly name = "HibernationError";
}
