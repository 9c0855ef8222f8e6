// An endpoint as a user writes it: a map of callbacks and options, and what its functions are given.
import type { CloseReason } from "./close-reason.ts";
import type { PathParameters, Session } from "./types.ts";

/**
 * What an endpoint was registered with, given to `onOpen`: a copy of its options, with the defaults filled in. It is frozen
 * through and through.
 *
 * @see Jakarta: `ServerEndpointConfig`
 */
export interface EndpointConfig
  extends
    Readonly<Omit<EndpointOptions<unknown>, DefaultedOption | "configure">>,
    Readonly<Required<Pick<EndpointOptions<unknown>, DefaultedOption>>> {
  /** The path as it was registered. */
  readonly path: string;
  /** What the user properties of each session begin with: a new copy at each access. */
  readonly userProperties: Readonly<Record<string, unknown>>;
}

type DefaultedOption =
  | "subprotocols"
  | "idleTimeoutMs"
  | "maxTextMessageBufferSize"
  | "maxBinaryMessageBufferSize"
  | "maxPendingMessages"
  | "hibernate"
  | "trackSessions";

/** An {@link EndpointConfig} that can still be changed: what the option `configure` is given. */
export type MutableEndpointConfig = Mutable<Omit<EndpointConfig, "path" | "userProperties">> & {
  readonly path: string;
  userProperties: Record<string, unknown>;
};

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/**
 * How often messages may come: `{ messages: 20, perMs: 10_000 }` lets twenty come at once, and then one each half
 * second. Both are whole numbers from 1.
 */
export interface RateLimit {
  /** How many may come at once. */
  messages: number;
  /** In how many milliseconds as many more may come, evenly. */
  perMs: number;
}

/** How much a client that speaks `socle.v1` may leave untaken, and for how long: the settings of `flowControl`. */
export interface FlowControl {
  /**
   * How many bytes may be under way to the client, or with it, that it has not taken yet; 262,144 if absent. Each
   * message counts 32 more than it has. A larger one goes alone.
   */
  window?: number;
  /**
   * How many bytes may wait for the client before a send past a {@link SendChannel} fails with a {@link BufferFullError};
   * 1,048,576 if absent. Each message counts 32 more than it has.
   */
  maxBufferedAmount?: number;
  /**
   * After how many milliseconds in which messages wait and the client takes nothing the session ends with 1008; 30,000
   * if absent. The object doesn't hibernate while messages wait. A client may take 250 ms to say what it took.
   */
  stallTimeoutMs?: number;
  /**
   * For how many milliseconds small messages wait for more, to go as one frame; 0 if absent, by which those of one turn
   * of the event loop do.
   */
  batchMs?: number;
}

/** What `onHandshake` may return to let the client in. */
export interface HandshakeResult {
  /** Are added to the 101. `Sec-WebSocket-*`, `Upgrade` and `Connection` are Socle's. */
  headers?: HeadersInit | undefined;
  /** Become those of the {@link Session}, over those of `configure`: a plain object of JSON values. */
  userProperties?: Record<string, unknown> | undefined;
  /** Becomes that of the {@link Session}: a JSON value. */
  userPrincipal?: unknown;
  /**
   * The subprotocol that is agreed on, whatever the endpoint's own list: one of those that the client offered, such as a
   * token that the hook has checked.
   */
  subprotocol?: string | undefined;
}

/**
 * What `onHandshake` may return to refuse the client with a close code: the Worker answers 101, and closes. A browser tells its
 * page of no other refusal than 1006.
 */
export interface HandshakeClosure {
  /** One that a Close frame may carry: an application's own are 4000–4999. */
  closeCode: number;
  /** A text of at most 123 bytes of UTF-8. */
  reasonPhrase?: string | undefined;
  /** Are added to the 101. `Sec-WebSocket-*`, `Upgrade` and `Connection` are Socle's. */
  headers?: HeadersInit | undefined;
}

/** What `onHandshake` may return. */
export type HandshakeDecision = Response | HandshakeResult | HandshakeClosure | undefined | void;

/** What Socle needs of a Worker's `ExecutionContext`: frameworks have types of their own for it. */
export type WorkerContext = Pick<ExecutionContext, "waitUntil">;

/** What `onHandshake` is given beside the request. */
export interface HandshakeContext<Env = unknown, Path extends string = string> {
  /** The Worker's bindings. */
  readonly env: Env;
  /** The Worker's, for `waitUntil`. */
  readonly ctx: WorkerContext;
  /** The values of the path's parameters, percent-decoded. */
  readonly pathParameters: PathParameters<Path>;
  /** What the endpoint was registered with. */
  readonly config: EndpointConfig;
}

/** Methods, so that the options of a class may be written for its own path and bindings. */
interface HintOf<Path extends string> {
  hint(request: Request, pathParameters: PathParameters<Path>): DurableObjectLocationHint | undefined;
}

interface JurisdictionOf<Path extends string> {
  jurisdiction(pathParameters: PathParameters<Path>): DurableObjectJurisdiction | undefined;
}

interface TagsOf<Env, Path extends string> {
  tags(session: Session<Path, unknown, Env>): readonly string[] | Promise<readonly string[]>;
}

/**
 * How an endpoint turns its session object into plain data and back, where it is no plain data itself: both functions, or
 * neither.
 *
 * ```ts
 * serializeSession: (cursor: Cursor) => [cursor.line, cursor.column],
 * deserializeSession: (data) => new Cursor(...(data as [number, number])),
 * ```
 */
export type SessionCodec<T> = WholeCodec<T> | NoCodec;

interface WholeCodec<T> {
  /** Turns the session object into plain data, in which send channels may stand. Called after each callback. */
  serializeSession(sessionObject: T): unknown;
  /** Makes the session object again from what {@link serializeSession} returned. */
  deserializeSession(data: unknown): T;
}

interface NoCodec {
  serializeSession?: undefined;
  deserializeSession?: undefined;
}

/** What a map may be given beside its callbacks: all {@link EndpointOptions} but those of a class. */
export type MapOptions<Env = Cloudflare.Env, T = unknown, Path extends string = string> = CommonOptions<Env, Path> &
  SessionCodec<T>;

interface CommonOptions<Env, Path extends string> {
  /**
   * Names the Durable Object for a request. Without it the object is named by the concrete path, so that
   * `/chat/lobby` is one object.
   *
   * ```ts
   * instance: (_request, { room }) => room.toLowerCase()
   * ```
   *
   * What throws, or returns anything but a string that is not empty, is answered with 500 and logged.
   */
  instance?(request: Request, pathParameters: PathParameters<Path>): string;
  /**
   * Near where a new object is to be made; it stays there. Without it near its first client. A function may return
   * undefined.
   *
   * ```ts
   * locationHint: (request) => (request.cf?.continent === "EU" ? "weur" : "enam")
   * ```
   */
  locationHint?: DurableObjectLocationHint | HintOf<Path>["hint"];
  /**
   * Where the object and its storage must stay. Local workerd can't, and does without. A function is given the path's
   * parameters alone: by the request, clients of one path would end in different objects.
   *
   * ```ts
   * jurisdiction: ({ region }) => (region === "eu" ? "eu" : undefined)
   * ```
   */
  jurisdiction?: DurableObjectJurisdiction | JurisdictionOf<Path>["jurisdiction"];
  /** The subprotocols that the endpoint speaks, the preferred first: the first that the client offers is agreed on. */
  subprotocols?: readonly string[];
  /**
   * Whose pages may connect: exact origins (`"https://example.com"`), any subdomain (`"*.example.com"`,
   * `"https://*.example.com"`), or a function. Without it any. A request without `Origin` comes from no browser and
   * passes. A function allows by returning true, so it can't be async.
   *
   * @see Jakarta: `ServerEndpointConfig.Configurator.checkOrigin`
   */
  allowedOrigins?: readonly string[] | ((origin: string, request: Request) => boolean);
  /**
   * Decides in the Worker, before an object is woken, who may connect. A `Response` goes to the client instead of the
   * 101; what else it returns goes to the session, or closes it before it begins ({@link HandshakeClosure}).
   *
   * ```ts
   * async onHandshake(request, { env }) {
   *   const user = await userOf(request, env);
   *   return user ? { userPrincipal: user } : new Response("Sign in first", { status: 401 });
   * }
   * ```
   *
   * What throws, or returns anything else, is answered with 500 and logged.
   *
   * @see Jakarta: `ServerEndpointConfig.Configurator.modifyHandshake`
   */
  onHandshake?(request: Request, context: HandshakeContext<Env, Path>): HandshakeDecision | Promise<HandshakeDecision>;
  /**
   * Is given the endpoint's configuration once, when it is registered, and may change it. It can't be async.
   *
   * ```ts
   * configure(config) {
   *   config.userProperties.topic = "news";
   * }
   * ```
   *
   * @see Pedestal: `:configure`
   */
  configure?(config: MutableEndpointConfig): void;
  /**
   * After how many milliseconds without a message, in or out, a session closes with 1001; 0 for never, which is the
   * default. Never early, late by at most a twentieth of it or a second. Needs a class with SQLite storage.
   *
   * @see Pedestal: `:idle-timeout-ms`. {@link Session.maxIdleTimeout} is the same for one session.
   */
  idleTimeoutMs?: number;
  /**
   * After how many milliseconds in which nothing came from the client a session closes with 1001; 0 for never, which is the
   * default. Its messages count, what {@link autoResponse} answers and, under {@link flowControl}, its acknowledgements; what
   * is sent to it doesn't, so that a client that is gone without a word is noticed in a room that talks. As exact as
   * {@link idleTimeoutMs}, beside which it may stand. Needs a class with SQLite storage.
   */
  clientTimeoutMs?: number;
  /**
   * How many bytes of UTF-8 a text message may have, past which the session closes with 1009; 32 MiB, the platform's
   * limit, if absent.
   */
  maxTextMessageBufferSize?: number;
  /** As {@link maxTextMessageBufferSize}, for binary messages. */
  maxBinaryMessageBufferSize?: number;
  /** How many messages may wait for a session's callback, past which it closes with 1013; 1,000 if absent. */
  maxPendingMessages?: number;
  /** How often messages may come, past which the session closes with 1008; without it as often as they do. */
  rateLimit?: RateLimit;
  /**
   * Up to 10 strings of up to 256 bytes, or a function that makes them before `onOpen` runs, by which `openSessions`
   * and `broadcast` find the session. A function that fails is as an `onOpen` that fails.
   *
   * ```ts
   * tags: (session) => [`user:${session.userPrincipal}`]
   * ```
   */
  tags?: readonly string[] | TagsOf<Env, Path>["tags"];
  /**
   * A text to which the platform itself answers with another, without waking the object. Up to 2,048 bytes each. It
   * counts as activity under {@link idleTimeoutMs} and {@link clientTimeoutMs}, and holds for all the sockets of an object.
   * Under `hibernate: false` Socle answers: twenty at once, then once a second.
   *
   * ```ts
   * autoResponse: { request: "ping", response: "pong" }
   * ```
   */
  autoResponse?: { readonly request: string; readonly response: string };
  /**
   * False keeps the object in memory while it has sessions: then the session object may be anything, and the object
   * costs duration all the time. Not together with `serializeSession` or {@link trackSessions}.
   */
  hibernate?: boolean;
  /**
   * True records the open sessions in storage, so that after a crash or a deploy `onClose` runs with 1006 for each of
   * them, when the object next wakes. Needs a class with SQLite storage.
   */
  trackSessions?: boolean;
  /**
   * Lets messages wait in the object while a client doesn't take those before, and puts small ones together, for clients
   * that speak `socle.v1`, such as that of `socle/client`; the others notice nothing. The Worker imports
   * `socle/flow-control`, which others need not carry.
   *
   * ```ts
   * import "socle/flow-control";
   *
   * addEndpoint(container, "/prices", {
   *   flowControl: { window: 1 },
   *   onOpen: onOpenStartWsConnection({ sendBufferOrN: slidingBuffer(1) }),
   * });
   * ```
   */
  flowControl?: boolean | FlowControl;
}

/**
 * What an endpoint may be given beside its callbacks. Any other name or value is a {@link DeploymentError} when the
 * endpoint is registered.
 */
export type EndpointOptions<Env = Cloudflare.Env, T = unknown, Path extends string = string> = MapOptions<
  Env,
  T,
  Path
> &
  ClassOptions<Env>;

interface ClassOptions<Env> {
  /**
   * The binding of the class's namespace, or its name among the Worker's exports. Without it the namespace is found by the
   * class's name, which a bundler may change (`minify`), and which a wrapper may hide.
   *
   * ```ts
   * addEndpoint(container, "/chat/{room}", { durableObject: Chat, binding: "CHAT" });
   * ```
   */
  binding?: BindingName<Env>;
}

/** The name of a class's binding, or of its export where it has none. Any name where the bindings are not known. */
export type BindingName<Env> = keyof Env extends never
  ? string
  : NamespaceBinding<Env> | Cloudflare.GlobalProp<"durableNamespaces", never>;

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
  /**
   * The session has ended, in whatever way. Runs last, and once. `sessionObject` is undefined if `onOpen` failed: its
   * annotation may say so, `user: User | undefined`.
   */
  onClose?(sessionObject: NoInfer<T>, session: Session<Path, NoInfer<T>, Env>, closeReason: CloseReason): unknown;
  /**
   * A callback threw or rejected, or the socket failed: the session stays open unless this closes it. Or the client
   * exceeded a limit, a {@link LimitExceededError}: then it closes. `sessionObject` is undefined if `onOpen` failed.
   */
  onError?(sessionObject: NoInfer<T> | undefined, session: Session<Path, NoInfer<T>, Env>, error: Error): unknown;
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
export type WsEndpointMap<Env = unknown, T = unknown, Path extends string = string> = Callbacks<Env, T, Path> &
  MapOptions<Env, T, Path> & {
    /** The binding of the namespace that serves the map, if it isn't that of the container's own `Endpoint` class. */
    durableObject?: NamespaceBinding<Env>;
  };
