// The options of clients.
import type { ClientCloseEvent } from "./client-events.ts";

/** What a {@link SocleWebSocket} needs of the underlying class. */
export interface PlatformWebSocket {
  readonly url: string | null;
  readonly protocol: string | null;
  readonly extensions: string | null;
  readonly readyState: number;
  send(data: never): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: never, listener: never): void;
}

/** The options of a {@link SocleWebSocket}. */
export interface ClientOptions {
  /**
   * The underlying class, such as that of `ws`; the global `WebSocket` if absent, which Node has from version 22 on.
   */
  WebSocket?: new (url: never, protocols: never) => PlatformWebSocket;
  /**
   * The `position` of the last message of each topic, to resume there; a `Map` works. Put the topics with the newest
   * messages first: the client sends the server as many as fit in 3,072 bytes of JSON. The server uses those of topics
   * that it subscribes with `since: "client"`.
   *
   * ```ts
   * new SocleWebSocket(url, [], { positions: client.positions });
   * ```
   */
  positions?: Iterable<readonly [topic: string, position: string]>;
}

/** A value, or a function that is called for it before each attempt. */
export type Asked<Value> = Value | (() => Value | Promise<Value>);

/** The options of a {@link SocleClient}. Each number is from 0 to 2,147,483,647. */
export interface SocleClientOptions extends ClientOptions {
  /**
   * The application's subprotocols, the preferred one first, or a function that is called for them before each attempt.
   */
  protocols?: Asked<string | readonly string[]>;
  /**
   * The maximum delay in milliseconds before the first attempt to reconnect; 500 if absent. It doubles after each
   * failed attempt.
   */
  minDelayMs?: number;
  /** The upper limit of that delay in milliseconds; 30,000 if absent. */
  maxDelayMs?: number;
  /**
   * Milliseconds without sending, or without receiving, after which the client sends a heartbeat; 25,000 if absent, 0
   * for never.
   */
  heartbeatMs?: number;
  /**
   * Milliseconds without an answer, or without a connection, after which the client gives up and tries again; 10,000 if
   * absent.
   */
  heartbeatTimeoutMs?: number;
  /** True for a server that isn't Socle's. The client then offers none of Socle's subprotocols. */
  plain?: boolean;
  /** The endpoint's `autoResponse`, for a server that doesn't speak `socle.v1`. One that does sends it. */
  autoResponse?: { readonly request: string; readonly response: string };
  /** How many messages may be queued for a connection; 1,000 if absent. */
  maxOutboxMessages?: number;
  /** How many bytes the queued messages may have; 1,048,576 if absent. */
  maxOutboxBytes?: number;
  /** Whether the client reconnects after this close event. If absent, it does, except after 1000 and 4000 to 4499. */
  shouldReconnect?: (event: ClientCloseEvent) => boolean;
}

export const asked = <Value>(one: Asked<Value>): Value | Promise<Value> =>
  typeof one === "function" ? (one as () => Value | Promise<Value>)() : one;

const DEFAULTS = {
  minDelayMs: 500,
  maxDelayMs: 30_000,
  heartbeatMs: 25_000,
  heartbeatTimeoutMs: 10_000,
  maxOutboxMessages: 1000,
  maxOutboxBytes: 1_048_576,
};

export type SettledOptions = SocleClientOptions & typeof DEFAULTS;

/** @throws a TypeError for an option that is not a number in its range */
export function settled(options: SocleClientOptions): SettledOptions {
  const given: Record<string, unknown> = { ...options };
  for (const [name, absent] of Object.entries(DEFAULTS)) {
    const value = (given[name] = Number(given[name] ?? absent));
    // The maximum delay of a timer.
    if (!(value >= 0 && value < 2 ** 31)) throw new TypeError(`${name} must be a number from 0 to 2147483647.`);
  }
  return given as unknown as SettledOptions;
}
