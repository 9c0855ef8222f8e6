// The values that can be sent, and the protocol by which an object sends itself.
import { PayloadError } from "../api/errors.ts";
import type { RemoteEndpointAsync, SendResult } from "../api/remote-endpoint.ts";
import { toError } from "../reporting/thrown.ts";
import { isData } from "./data.ts";

/**
 * The protocol by which an object sends itself. The payload has a method under this symbol:
 *
 * ```ts
 * class Json {
 *   constructor(readonly value: unknown) {}
 *   [WebSocketSendAsync](remote: RemoteEndpointAsync) {
 *     return remote.sendText(JSON.stringify(this.value));
 *   }
 * }
 * await send.put(new Json({ hello: "world" }));
 * ```
 *
 * The method returns the {@link SendResult}, nothing for success, or a promise of one of these. If it throws or
 * rejects, that is the error. Later messages on the same channel wait until it has settled.
 *
 * @see Pedestal: `WebSocketSendAsync`
 */
export const WebSocketSendAsync: unique symbol = Symbol.for("socle.WebSocketSendAsync");

/** An object that sends itself; see {@link WebSocketSendAsync}. */
export interface SendsItself {
  [WebSocketSendAsync](remote: RemoteEndpointAsync): Promise<SendResult | void> | SendResult | void;
}

/** The values that you can send: a text, bytes, or an object that sends itself. */
export type Payload = string | ArrayBuffer | ArrayBufferView | SendsItself;

/**
 * Adds the method of {@link WebSocketSendAsync} to the objects of a class that is not your own. The `declare global`
 * tells TypeScript that they are payloads.
 *
 * ```ts
 * declare global {
 *   interface URL extends SendsItself {}
 * }
 * extendWebSocketSendAsync(URL, (url, remote) => remote.sendText(url.href));
 * ```
 *
 * @throws {@link PayloadError} if you pass anything but a class and a function
 * @see Pedestal: `(extend-protocol WebSocketSendAsync …)`
 */
export function extendWebSocketSendAsync<T extends object>(
  type: abstract new (...args: never[]) => T,
  send: (message: T, remote: RemoteEndpointAsync) => Promise<SendResult | void> | SendResult | void,
): void {
  if (typeof type?.prototype !== "object" || typeof send !== "function") {
    throw new PayloadError("extendWebSocketSendAsync takes a class and a function (message, remote).");
  }
  Object.defineProperty(type.prototype, WebSocketSendAsync, {
    configurable: true,
    value(this: T, remote: RemoteEndpointAsync) {
      return send(this, remote);
    },
  });
}

/**
 * Sends a message by the protocol: a text or bytes as they are, an object by its own method.
 *
 * ```ts
 * const result = await wsSendAsync("hello", session.asyncRemote);
 * if (result !== "success") console.warn(result.message);
 * ```
 *
 * @returns a promise of the result, which never rejects
 * @see Pedestal: `ws-send-async`
 */
export async function wsSendAsync(message: Payload, remote: RemoteEndpointAsync): Promise<SendResult> {
  try {
    const result = sendsItself(message)
      ? await message[WebSocketSendAsync](remote)
      : await (typeof message === "string" ? remote.sendText(message) : remote.sendBinary(message));
    if (result === undefined || result === "success") return "success";
    throw result instanceof Error
      ? result
      : new PayloadError(
          'A [WebSocketSendAsync] method must return "success", an Error or nothing, or a promise of it.',
        );
  } catch (error) {
    return toError(error);
  }
}

export const sendsItself = (value: unknown): value is SendsItself =>
  typeof (value as Partial<SendsItself> | null | undefined)?.[WebSocketSendAsync] === "function" && !isData(value);
