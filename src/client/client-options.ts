// What clients are given.
import type { ClientCloseEvent } from "./client-events.ts";

/** What a {@link SocleWebSocket} needs of the class under it. */
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
  /** The class under it, such as that of `ws`; the global `WebSocket` if absent, which Node has from version 22 on. */
  WebSocket?: new (url: never, protocols: never) => PlatformWebSocket;
  /**
   * The `position` of the last message of each topic, with which the client comes back: a `Map` fits. Give the topics of the
   * newest messages first: the server is told as many as fit in 3,072 bytes of JSON, and uses those of the topics that it
   * subscribes with `since: "client"`.
   */
  positions?: Iterable<readonly [topic: string, position: string]>;
}

/** A value, or a function that is asked for it before each attempt. */
export type Asked<Value> = Value | (() => Value | Promise<Value>);

/** The options of a {@link SocleClient}. */
export interface SocleClientOptions extends ClientOptions {
  /** The application's subprotocols, the preferred first, or a function that is asked for them before each attempt. */
  protocols?: Asked<string | readonly string[]>;
  /** Within how many milliseconds it comes back at first; 500 if absent. It is twice as long after each attempt that fails. */
  minDelayMs?: number;
  /** Within how many milliseconds it comes back at the latest; 30,000 if absent. */
  maxDelayMs?: number;
  /** After how many milliseconds in which it sent nothing, or received nothing, it sends a heartbeat; 25,000 if absent. */
  heartbeatMs?: number;
  /** After how many milliseconds without an answer, or without a connection, it gives up and tries again; 10,000 if absent. */
  heartbeatTimeoutMs?: number;
  /** True for a server that isn't Socle's: then none of Socle's subprotocols is offered. */
  plain?: boolean;
  /** The endpoint's `autoResponse`, where the server doesn't tell it: it does if it speaks `socle.v1`. */
  autoResponse?: { readonly request: string; readonly response: string };
  /** How many messages may wait for a connection; 1,000 if absent. */
  maxOutboxMessages?: number;
  /** How many bytes they may have; 1,048,576 if absent. */
  maxOutboxBytes?: number;
  /** Whether it comes back after this. If absent it does, but not after 1000 and 4000 to 4499. */
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

/** @throws a TypeError for a number that is none */
export function settled(options: SocleClientOptions): SettledOptions {
  const given: Record<string, unknown> = { ...options };
  for (const [name, absent] of Object.entries(DEFAULTS)) {
    const value = (given[name] = Number(given[name] ?? absent));
    // A timer takes no longer time.
    if (!(value >= 0 && value < 2 ** 31)) throw new TypeError(`${name} must be a number from 0 to 2147483647.`);
  }
  return given as unknown as SettledOptions;
}
