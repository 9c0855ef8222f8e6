// The public types of an endpoint and its session.
import type { CloseReason } from "./close-reason.ts";
import type { RemoteEndpointAsync } from "./remote.ts";
import type { SessionCodec } from "./session-object.ts";

type ParameterName<Segment> = Segment extends `{${infer Name}}`
  ? Name
  : Segment extends `:${infer Name}`
    ? Name
    : never;

type ParameterNames<Path> = Path extends `${infer Segment}/${infer Rest}`
  ? ParameterName<Segment> | ParameterNames<Rest>
  : ParameterName<Path>;

/**
 * The path parameters of a template: `{ room: string }` for `"/chat/{room}"` or `"/chat/:room"`. Of a path that is not
 * known at compile time, any.
 */
export type PathParameters<Path extends string> = string extends Path
  ? Readonly<Record<string, string>>
  : { readonly [Name in ParameterNames<Path>]: string };

/**
 * What an endpoint was registered with, given to `onOpen`.
 *
 * @see Jakarta: `ServerEndpointConfig`
 */
export interface EndpointConfig {
  /** The path as it was registered. */
  readonly path: string;
  /** The subprotocols of the endpoint, the preferred first. */
  readonly subprotocols: readonly string[];
}

/**
 * One client's conversation with an endpoint, from `onOpen` to `onClose`. All of it is the same after hibernation.
 *
 * @typeParam Path the endpoint's path, from which {@link pathParameters} is typed
 * @typeParam T the session object
 * @typeParam Env the Worker's bindings
 * @see Jakarta: `Session`
 */
export interface Session<Path extends string = string, T = unknown, Env = unknown> {
  /** A random UUID, made by the server. */
  readonly id: string;
  /** The URL with which the session was opened. */
  readonly requestURI: URL;
  /** The values of the path's parameters, percent-decoded. */
  readonly pathParameters: PathParameters<Path>;
  /** The query of the URL without "?", "" if there is none. */
  readonly queryString: string;
  /** The query's parameters. */
  readonly requestParameterMap: URLSearchParams;
  /** The subprotocol on which client and endpoint agreed, "" if none. */
  readonly negotiatedSubprotocol: string;
  /** The extensions that the runtime says it agreed on with the client. */
  readonly negotiatedExtensions: readonly string[];
  /** The version of the WebSocket protocol, "13". */
  readonly protocolVersion: string;
  /** Whether the client came over TLS. */
  readonly isSecure: boolean;
  /** Whether messages can be sent: false from the first Close frame on, of either side. */
  readonly isOpen: boolean;
  /** The open sessions of the same endpoint in the same Durable Object, this one included once it is open. */
  readonly openSessions: ReadonlySet<Session<Path, T, Env>>;
  /** Sends to the client, past any {@link SendChannel}. */
  readonly asyncRemote: RemoteEndpointAsync;
  /**
   * What `onOpen` returned. What a callback changes in it, in its own or in another session's, is kept by itself. An
   * assignment replaces it, and keeps it, anywhere.
   *
   * @throws {@link SessionObjectError} on assignment of what hibernation would change; the former stays
   */
  sessionObject: T;
  /** The Worker's bindings. */
  readonly env: Env;
  /** The state of the Durable Object that holds the session. */
  readonly ctx: DurableObjectState;
  /** The platform's socket. What is done to it directly, Socle doesn't know. */
  readonly webSocket: WebSocket;
  /**
   * Closes the session: what waits to be delivered or sent is dropped, and `onClose` comes next, without waiting for
   * the client. On a session that is not open it does nothing.
   *
   * ```ts
   * session.close(); // 1000
   * session.close(4001, "kicked");
   * session.close(new CloseReason(CloseCode.GOING_AWAY));
   * ```
   *
   * @throws {@link CloseReasonError} for a code that may not be sent, or a phrase over 123 bytes of UTF-8
   */
  close(closeReason?: CloseReason): void;
  close(closeCode: number, reasonPhrase?: string): void;
}

/** What an endpoint may be given beside its callbacks. */
export interface EndpointOptions<T = unknown> extends SessionCodec<T> {
  /**
   * Names the Durable Object for a request. Without it the object is named by the concrete path, so that
   * `/chat/lobby` is one object.
   */
  instance?(request: Request, pathParameters: Readonly<Record<string, string>>): string;
  /** The subprotocols that the endpoint speaks, the preferred first: the first that the client offers is agreed on. */
  subprotocols?: readonly string[];
  /**
   * Whose pages may connect: exact origins (`"https://example.com"`), any subdomain (`"*.example.com"`,
   * `"https://*.example.com"`), or a function. Without it any. A request without `Origin` comes from no browser and
   * passes.
   */
  allowedOrigins?: readonly string[] | ((origin: string, request: Request) => boolean);
}

/** The names of the bindings in `Env` that are Durable Object namespaces. */
export type NamespaceBinding<Env> = unknown extends Env
  ? never
  : {
      [Name in keyof Env]-?: Env[Name] extends { idFromName(name: string): DurableObjectId } ? Name : never;
    }[keyof Env] &
      string;

/** The callbacks of an endpoint. All are optional. One that returns a promise holds the session's next event. */
export interface Callbacks<Env = unknown, T = unknown, Path extends string = string> {
  /** Runs before the handshake is answered. What it returns is the session object of the other callbacks. */
  onOpen?(session: Session<Path, unknown, Env>, config: EndpointConfig): T | Promise<T>;
  /** A text message. Without it text messages are ignored. */
  onText?(sessionObject: T, text: string, session: Session<Path, NoInfer<T>, Env>): unknown;
  /** A binary message. Without it binary messages are ignored. */
  onBinary?(sessionObject: T, data: ArrayBuffer, session: Session<Path, NoInfer<T>, Env>): unknown;
  /** The session has ended, in whatever way. Runs last, and once. */
  onClose?(sessionObject: T, session: Session<Path, NoInfer<T>, Env>, closeReason: CloseReason): unknown;
  /** A callback threw or rejected, or the socket failed. `sessionObject` is undefined if `onOpen` failed. */
  onError?(sessionObject: T | undefined, session: Session<Path, NoInfer<T>, Env>, error: Error): unknown;
}

/**
 * An endpoint as a map of callbacks and options.
 *
 * ```ts
 * addEndpoint(container, "/echo", {
 *   onOpen: onOpenStartWsConnection(),
 *   onText: (send, text) => send.put(`echo: ${text}`),
 * });
 * ```
 *
 * @see Pedestal: `ws-endpoint-map`
 */
export interface WsEndpointMap<Env = unknown, T = unknown, Path extends string = string>
  extends Callbacks<Env, T, Path>, EndpointOptions<T> {
  /** The binding of the namespace that serves the map, if it isn't that of the container's own `Endpoint` class. */
  durableObject?: NamespaceBinding<Env>;
}
