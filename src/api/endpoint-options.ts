// The options of an endpoint, and the arguments of their functions.
import type { FlowControl } from "./flow-control.ts";
import type { HandshakeDecision, WorkerContext } from "./handshake-decision.ts";
import type { BindingName } from "./namespace-binding.ts";
import type { RateLimit } from "./rate-limit.ts";
import type { SessionCodec } from "./session-codec.ts";
import type { PathParameters, Session } from "./session.ts";
import type { ShardSettings } from "./shards.ts";
import type { TopicSettings } from "./topics.ts";

/**
 * The configuration with which an endpoint was registered: a copy of its options, with the defaults filled in. `onOpen`
 * and `onHandshake` receive it. It is deeply frozen.
 *
 * @see Jakarta: `ServerEndpointConfig`
 */
export interface EndpointConfig
  extends
    Readonly<Omit<EndpointOptions<unknown>, DefaultedOption | "configure" | "shards">>,
    Readonly<Required<Pick<EndpointOptions<unknown>, DefaultedOption>>> {
  /** The path as it was registered. */
  readonly path: string;
  /** The settings with their defaults, if the endpoint has the option `shards`. */
  readonly shards?: Readonly<Required<ShardSettings>>;
  /** The initial user properties of each session: a new copy at each access. */
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

/** An {@link EndpointConfig} that can still be changed: the argument of the option `configure`. */
export type MutableEndpointConfig = Mutable<Omit<EndpointConfig, "path" | "userProperties" | "shards">> & {
  readonly path: string;
  shards?: number | ShardSettings;
  userProperties: Record<string, unknown>;
};

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** The second argument of `onHandshake`. */
export interface HandshakeContext<Env = unknown, Path extends string = string> {
  /** The Worker's bindings. */
  readonly env: Env;
  /** The Worker's context, for `waitUntil`. */
  readonly ctx: WorkerContext;
  /** The values of the path's parameters, percent-decoded. */
  readonly pathParameters: PathParameters<Path>;
  /** The configuration of the endpoint. */
  readonly config: EndpointConfig;
}

/** These are methods, so that the options of a class may be written for its own path and bindings. */
interface HintOf<Path extends string> {
  hint(request: Request, pathParameters: PathParameters<Path>): DurableObjectLocationHint | undefined;
}

interface JurisdictionOf<Path extends string> {
  jurisdiction(pathParameters: PathParameters<Path>): DurableObjectJurisdiction | undefined;
}

interface ShardOf<Path extends string> {
  shard(request: Request, pathParameters: PathParameters<Path>): number;
}

interface TagsOf<Env, Path extends string> {
  tags(session: Session<Path, unknown, Env>): readonly string[] | Promise<readonly string[]>;
}

/** The options of a map: all {@link EndpointOptions} except those of a class. */
export type MapOptions<Env = Cloudflare.Env, T = unknown, Path extends string = string> = CommonOptions<Env, Path> &
  SessionCodec<T>;

interface CommonOptions<Env, Path extends string> {
  /**
   * Returns the name of the Durable Object for a request. Without this option the concrete path is the name, so
   * `/chat/lobby` is one object.
   *
   * ```ts
   * instance: (_request, { room }) => room.toLowerCase()
   * ```
   *
   * If it throws, or returns anything but a non-empty string, Socle answers 500 and logs the error.
   */
  instance?(request: Request, pathParameters: PathParameters<Path>): string;
  /**
   * The region near which a new object is created; the object stays there. Without this option, it is created near its
   * first client. A function may return undefined.
   *
   * ```ts
   * locationHint: (request) => (request.cf?.continent === "EU" ? "weur" : "enam")
   * ```
   */
  locationHint?: DurableObjectLocationHint | HintOf<Path>["hint"];
  /**
   * The jurisdiction in which the object and its storage must stay. Local workerd has none and ignores it. A function
   * receives only the path parameters: if it could look at the request, clients of one path would reach different
   * objects.
   *
   * ```ts
   * jurisdiction: ({ region }) => (region === "eu" ? "eu" : undefined)
   * ```
   */
  jurisdiction?: DurableObjectJurisdiction | JurisdictionOf<Path>["jurisdiction"];
  /**
   * Divides the sessions of a path over at most this many objects of the same class, 1 to 64. The sessions of
   * `/live/final` are in the objects `/live/final#0`, `/live/final#1` and so on; Socle uses more of them as they fill.
   * The object `/live/final` is the root. It has no sessions; `onRequest` and calls by `stub` run there. If `instance`
   * names the root, the name contains no "#".
   *
   * Topics, broadcasts, and the sessions that `container.stub` counts and closes are those of the whole path.
   * `openSessions` and storage belong to each object.
   *
   * ```ts
   * shards: { max: 32, sessions: 5000 }
   * ```
   *
   * You may change the number at any time; open sessions stay where they are. If you add or remove `shards`, existing
   * sessions end with 1012.
   */
  shards?: number | ShardSettings;
  /**
   * Chooses the shard for a request instead of Socle: a whole number from 0, below the maximum of {@link shards}. Never
   * use a number that a client chose, since a client could fill one shard.
   *
   * ```ts
   * shard: (request) => (request.cf?.continent === "EU" ? 0 : 1)
   * ```
   *
   * If the shard is full, Socle answers 503. If the function throws, or returns anything else, Socle answers 500 and
   * logs the error.
   */
  shard?: ShardOf<Path>["shard"];
  /**
   * The subprotocols that the endpoint speaks, the preferred one first. Client and endpoint agree on the first one in
   * this list that the client offers.
   *
   * @see Pedestal: `:subprotocols`
   */
  subprotocols?: readonly string[];
  /**
   * The origins whose pages may connect: exact origins (`"https://example.com"`), any subdomain (`"*.example.com"`,
   * `"https://*.example.com"`), or a function. Without this option, any origin. A request without `Origin` doesn't come
   * from a browser and is allowed. A function allows an origin by returning true, so it can't be async.
   *
   * @see Jakarta: `ServerEndpointConfig.Configurator.checkOrigin`
   */
  allowedOrigins?: readonly string[] | ((origin: string, request: Request) => boolean);
  /**
   * Decides in the Worker who may connect, before an object wakes. Socle sends a returned `Response` to the client
   * instead of the 101. A {@link HandshakeResult}, or nothing, lets the client in. A {@link HandshakeClosure} refuses
   * the client with a close code.
   *
   * ```ts
   * async onHandshake(request, { env }) {
   *   const user = await userOf(request, env);
   *   return user ? { userPrincipal: user } : new Response("Sign in first", { status: 401 });
   * }
   * ```
   *
   * If it throws, or returns anything else, Socle answers 500 and logs the error.
   *
   * @see Jakarta: `ServerEndpointConfig.Configurator.modifyHandshake`
   */
  onHandshake?(request: Request, context: HandshakeContext<Env, Path>): HandshakeDecision | Promise<HandshakeDecision>;
  /**
   * Receives the endpoint's configuration once, at registration, and may change it. It can't be async.
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
   * Milliseconds without a message in either direction after which a session closes with 1001; 0, the default, for
   * never. Never early; late by at most a twentieth of it or a second. Needs a class with SQLite storage.
   *
   * @see Pedestal: `:idle-timeout-ms`. {@link Session.maxIdleTimeout} is the same for one session.
   */
  idleTimeoutMs?: number;
  /**
   * Milliseconds without anything from the client after which a session closes with 1001; 0, the default, for never.
   * The client's messages count, and so do the requests that {@link autoResponse} answers and, under
   * {@link flowControl}, its acknowledgements. Messages to the client don't count, so a client that vanished is noticed
   * in a busy room. As exact as {@link idleTimeoutMs}, with which it may be combined. Needs a class with SQLite storage.
   */
  clientTimeoutMs?: number;
  /**
   * The maximum size of a text message in bytes of UTF-8; a larger one closes the session with 1009. 32 MiB, the
   * platform's limit, if absent.
   */
  maxTextMessageBufferSize?: number;
  /** The maximum size of a binary message in bytes, as {@link maxTextMessageBufferSize} for text. */
  maxBinaryMessageBufferSize?: number;
  /**
   * How many messages may be queued for a session's callback; one more closes the session with 1013. 1,000 if absent.
   */
  maxPendingMessages?: number;
  /** How many messages a client may send in a time; one more closes the session with 1008. No limit if absent. */
  rateLimit?: RateLimit;
  /**
   * Up to 10 strings of up to 256 bytes, or a function that returns them before `onOpen` runs. `openSessions` and
   * `broadcast` find the session by its tags. A function that fails counts as an `onOpen` that fails.
   *
   * ```ts
   * tags: (session) => [`user:${session.userPrincipal}`]
   * ```
   */
  tags?: readonly string[] | TagsOf<Env, Path>["tags"];
  /**
   * A text that the platform answers with another text without waking the object. Each has up to 2,048 bytes. An answer
   * counts as activity under {@link idleTimeoutMs} and {@link clientTimeoutMs}. The pair applies to all the sockets of
   * an object. With `hibernate: false` Socle answers instead: twenty at once, then one each second.
   *
   * ```ts
   * autoResponse: { request: "ping", response: "pong" }
   * ```
   */
  autoResponse?: { readonly request: string; readonly response: string };
  /**
   * False keeps the object in memory while it has sessions. The session object may then be any value, but the object
   * costs duration all the time. Can't be combined with `serializeSession` or {@link trackSessions}.
   */
  hibernate?: boolean;
  /**
   * The version number of the data that a session keeps, a whole number; 0 if absent. Raise it when you change the form
   * of the session object, and give a `migrateSession`: a hibernated session outlives a deploy, and the new code
   * receives its next event. Without a `migrateSession`, sessions of another version end with 1012.
   *
   * ```ts
   * version: 1,
   * migrateSession: (data) => ({ names: [(data as { name: string }).name] }),
   * ```
   */
  version?: number;
  /**
   * True records the open sessions in storage. After a crash, `onClose` then runs with 1006 for each of them when the
   * object next wakes. Needs a class with SQLite storage.
   */
  trackSessions?: boolean;
  /**
   * Queues messages in the object while a client has not taken the earlier ones, and sends small ones together. It
   * applies to clients that speak `socle.v1`, such as those of `socle/client`. Other clients notice nothing.
   *
   * ```ts
   * addEndpoint(container, "/prices", {
   *   flowControl: { window: 1 },
   *   onOpen: onOpenStartWsConnection({ sendBufferOrN: slidingBuffer(1) }),
   * });
   * ```
   */
  flowControl?: boolean | FlowControl;
  /**
   * The settings of topics: a history from which clients that were disconnected catch up, and how clients learn
   * positions. Without this option, `subscribe` and `publish` work, but no topic has a history.
   *
   * ```ts
   * topics: { history: { messages: 500, ageMs: 3_600_000 } }
   * ```
   */
  topics?: TopicSettings;
}

/** The options of an endpoint. An unknown name or an invalid value is a {@link DeploymentError} at registration. */
export type EndpointOptions<Env = Cloudflare.Env, T = unknown, Path extends string = string> = MapOptions<
  Env,
  T,
  Path
> &
  ClassOptions<Env>;

interface ClassOptions<Env> {
  /**
   * The binding of the class's namespace, or its name among the Worker's exports. Without this option, Socle finds the
   * namespace by the class's name, which a bundler may change (`minify`) or a wrapper may hide.
   *
   * ```ts
   * addEndpoint(container, "/chat/{room}", { durableObject: Chat, binding: "CHAT" });
   * ```
   */
  binding?: BindingName<Env>;
}
