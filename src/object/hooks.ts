// What a class of endpoints may have beside its callbacks.
import type { CloseReason } from "../api/close-reason.ts";

/** What happens to a socket that Socle did not accept: a text, bytes, a failure, or its end. */
export type OtherEvent = string | ArrayBuffer | Error | CloseReason;

export interface Hooks {
  /**
   * Answers the requests to the endpoint's path that open no WebSocket, of any method. No check runs before it.
   * Without it they are refused with 405 or 426.
   */
  onRequest?(request: Request): Response | Promise<Response>;
  /**
   * Runs for the alarms that the class set by `this.ctx.storage.setAlarm`, which throws a {@link DeploymentError}
   * without it. Write it instead of `alarm`, which the idle timeouts and the histories of topics share. If it throws it is tried
   * again, as the platform does.
   */
  onAlarm?(info?: AlarmInvocationInfo): void | Promise<void>;
  /**
   * Gets the events of the object's sockets that Socle did not accept: those of the code before a migration, or the class's
   * own. None of Socle's rules holds for them, but that a Close frame is answered once this has settled.
   *
   * ```ts
   * onOtherSocket(socket: WebSocket, event: OtherEvent) {
   *   if (typeof event === "string") socket.send(`old: ${event}`);
   * }
   * ```
   */
  onOtherSocket?(socket: WebSocket, event: OtherEvent): void | Promise<void>;
}
