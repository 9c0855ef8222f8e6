// What an endpoint may be given beside its callbacks, and what its functions get of it.
import type { FlowControl } from "./flow-control.ts";
import type { HandshakeDecision, WorkerContext } from "./handshake-decision.ts";
import type { BindingName } from "./namespace-binding.ts";
import type { RateLimit } from "./rate-limit.ts";
import type { SessionCodec } from "./session-codec.ts";
import type { PathParameters, Session } from "./session.ts";
import type { ShardSettings } from "./shards.ts";
import type { TopicSettings } from "./topics.ts";

/**
 * What an endpoint was registered with, given to `onOpen`: a copy of its options, with the defaults filled in. It is frozen
 * through and through.
 *
 * @see Jakarta: `ServerEndpointConfig`
 */
export interface EndpointConfig
  extends
    Readonly<Omit<EndpointOptions<unknown>, DefaultedOption | "configure" | "shards">>,
    Readonly<Required<Pick<EndpointOptions<unknown>, DefaultedOption>>> {
  /** The path as it was registered. */
  readonly path: string;
  /** With its defaults, if its sessions are divided over objects. */
  readonly shards?: Readonly<Required<ShardSettings>>;
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
export type MutableEndpointConfig = Mutable<Omit<EndpointConfig, "path" | "userProperties" | "shards">> & {
  readonly path: string;
  shards?: number | ShardSettings;
  userProperties: Record<string, unknown>;
};

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

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

interface ShardOf<Path extends string> {
  shard(request: Request, pathParameters: PathParameters<Path>): number;
}

interface TagsOf<Env, Path extends string> {
  tags(session: Session<Path, unknown, Env>): readonly string[] | Promise<readonly string[]>;
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
  /**
   * Divides the sessions of a path over so many objects at most, 1 to 64, of the same class: the sessions of `/live/final` are in
   * the objects `/live/final#0`, `/live/final#1` and on, more of them as they fill. The object `/live/final` is the root: it has no
   * sessions, and `onRequest` and what is called by `stub` run there. Where `instance` names the root, the name has no "#".
   *
   * Topics, broadcasts and what `container.stub` counts and closes stay those of the path; `openSessions` and storage are each object's own.
   *
   * ```ts
   * shards: { max: 32, sessions: 5000 }
   * ```
   *
   * Another number holds at once: what is open stays where it is. Where `shards` come or go, sessions of before end with 1012.
   */
  shards?: number | ShardSettings;
  /**
   * Chooses the shard for a request in Socle's place: a whole number from 0, below the most of {@link shards}. Never take over a
   * number that a client chose: it would fill one shard.
   *
   * ```ts
   * shard: (request) => (request.cf?.continent === "EU" ? 0 : 1)
   * ```
   *
   * A shard that is full is answered with 503. What throws, or returns anything else, is answered with 500 and logged.
   */
  shard?: ShardOf<Path>["shard"];
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
   * The version of what a session keeps, a whole number; 0 if absent. Raise it where the form of the session object changes, and give
   * a `migrateSession`: a hibernated session outlives a deploy, and its next event comes to the new code. Without one
   * the sessions of another version end with 1012.
   *
   * ```ts
   * version: 1,
   * migrateSession: (data) => ({ names: [(data as { name: string }).name] }),
   * ```
   */
  version?: number;
  /**
   * True records the open sessions in storage, so that after a crash `onClose` runs with 1006 for each of
   * them, when the object next wakes. Needs a class with SQLite storage.
   */
  trackSessions?: boolean;
  /**
   * Lets messages wait in the object while a client doesn't take those before, and puts small ones together, for clients
   * that speak `socle.v1`, such as that of `socle/client`; the others notice nothing.
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
   * What becomes of publications beside their subscribers: a history from which who was away catches up, and how clients are told
   * of positions. Without it `subscribe` and `publish` work, without a history.
   *
   * ```ts
   * topics: { history: { messages: 500, ageMs: 3_600_000 } }
   * ```
   */
  topics?: TopicSettings;
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
