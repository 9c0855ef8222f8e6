// The methods that a class of endpoints may have in addition to its callbacks.
import type { CloseReason } from "../api/close-reason.ts";

/** An event of a socket that Socle did not accept: a text, bytes, a failure, or the close. */
export type OtherEvent = string | ArrayBuffer | Error | CloseReason;

export interface Hooks {
  /**
   * Answers requests to the endpoint's path that are not WebSocket upgrades, of any HTTP method. No check runs before
   * it. Without this method, Socle refuses them with 405 or 426.
   *
   * ```ts
   * onRequest() {
   *   return Response.json({ sessions: this.openSessionCount() });
   * }
   * ```
   */
  onRequest?(request: Request): Response | Promise<Response>;
  /**
   * Runs for the alarms that the class sets with `this.ctx.storage.setAlarm`, which throws a {@link DeploymentError}
   * without it. Write it instead of `alarm`, which the timeouts and the histories of topics share. If it throws, it
   * runs again, as often as the platform would try.
   */
  onAlarm?(info?: AlarmInvocationInfo): void | Promise<void>;
  /**
   * Receives the events of the object's sockets that Socle did not accept: sockets from the code before a migration, or
   * the class's own. Socle's rules don't apply to them, except that Socle answers a Close frame after this method has
   * settled.
   *
   * ```ts
   * onOtherSocket(socket: WebSocket, event: OtherEvent) {
   *   if (typeof event === "string") socket.send(`old: ${event}`);
   * }
   * ```
   */
  onOtherSocket?(socket: WebSocket, event: OtherEvent): void | Promise<void>;
}
