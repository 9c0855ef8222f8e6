// The public types of a session.
import type { CloseReason } from "./close-reason.ts";
import type { RemoteEndpointAsync } from "./remote-endpoint.ts";
import type { Publication, PublishOptions, SubscribeOptions, Subscription } from "./topics.ts";

type ParameterName<Segment> = Segment extends `{${infer Name}}`
  ? Name
  : Segment extends `:${infer Name}`
    ? Name
    : never;

type ParameterNames<Path> = Path extends `${infer Segment}/${infer Rest}`
  ? ParameterName<Segment> | ParameterNames<Rest>
  : ParameterName<Path>;

/**
 * The path parameters of a template: `{ room: string }` for `"/chat/{room}"` or `"/chat/:room"`. For a path that is not
 * known at compile time, any names.
 */
export type PathParameters<Path extends string> = string extends Path
  ? Readonly<Record<string, string>>
  : { readonly [Name in ParameterNames<Path>]: string };

/**
 * One client's connection to an endpoint, from `onOpen` to `onClose`. All of it is the same after hibernation.
 *
 * @typeParam Path the endpoint's path, from which {@link pathParameters} is typed
 * @typeParam T the session object
 * @typeParam Env the Worker's bindings
 * @see Jakarta: `Session`
 */
export interface Session<Path extends string = string, T = unknown, Env = unknown> {
  /** A random UUID, made by the server. */
  readonly id: string;
  /** The URL with which the session was opened: a new copy at each access. */
  readonly requestURI: URL;
  /** The values of the path's parameters, percent-decoded. Frozen. */
  readonly pathParameters: PathParameters<Path>;
  /** The query of the URL without "?"; "" if there is none. */
  readonly queryString: string;
  /** The query's parameters: a new copy at each access. */
  readonly requestParameterMap: URLSearchParams;
  /** The subprotocol that client and endpoint agreed on; "" if there is none. */
  readonly negotiatedSubprotocol: string;
  /**
   * Who the client is, as `onHandshake` returned it: a JSON value, or undefined. A client can't set it. Deeply frozen.
   *
   * @see Jakarta: `getUserPrincipal`
   */
  readonly userPrincipal: unknown;
  /**
   * The session's own data next to the session object: from `configure`, from `onHandshake` and from callbacks. Socle
   * keeps changes as it keeps those of the session object.
   *
   * @throws {@link SessionObjectError} if you assign anything but a plain object, or a value that hibernation would
   * change
   * @see Jakarta: `getUserProperties`
   */
  userProperties: Record<string, unknown>;
  /**
   * The session's tags, from the option `tags`. `broadcast` and `openSessions` of the object find the session by them.
   * Frozen.
   */
  readonly tags: readonly string[];
  /**
   * Milliseconds without a message in either direction after which the session closes with 1001; 0 for never. Late by
   * at most a twentieth of it, or a second. An assignment restarts the time.
   *
   * @throws {@link LimitError} if you assign anything but a whole number from 0
   * @see Jakarta: `getMaxIdleTimeout`, `setMaxIdleTimeout`
   */
  maxIdleTimeout: number;
  /**
   * The maximum size of a text message in bytes of UTF-8. A larger message closes the session with 1009.
   *
   * @throws {@link LimitError} if you assign anything but a whole number from 1
   * @see Jakarta: `getMaxTextMessageBufferSize`, `setMaxTextMessageBufferSize`
   */
  maxTextMessageBufferSize: number;
  /** The maximum size of a binary message in bytes, as {@link maxTextMessageBufferSize} for text. */
  maxBinaryMessageBufferSize: number;
  /** The extensions that the runtime reports as negotiated. */
  readonly negotiatedExtensions: readonly string[];
  /** The version of the WebSocket protocol, "13". */
  readonly protocolVersion: string;
  /** Whether the client connected over TLS. */
  readonly isSecure: boolean;
  /** Whether you can send messages; false as soon as either side has sent a Close frame. */
  readonly isOpen: boolean;
  /**
   * Aborts when the session ends for any reason, as soon as the object learns of it, even while a callback of the
   * session is running. Its reason is a {@link SessionClosedError} with the `closeReason`. A callback that rejects with
   * this reason counts as stopped: Socle neither calls `onError` nor logs it.
   *
   * ```ts
   * onText: async (user, question, session) => {
   *   const answer = await fetch(MODEL, { method: "POST", body: question, signal: session.signal });
   *   for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) await session.asyncRemote.sendText(part);
   * }
   * ```
   *
   * Socle creates the signal at the first access. After hibernation it is a new one.
   */
  readonly signal: AbortSignal;
  /**
   * The open sessions of the same endpoint in the same Durable Object, under `shards` in the same shard. It includes
   * this session once it is open.
   */
  readonly openSessions: ReadonlySet<Session<Path, T, Env>>;
  /** Sends to the client directly, outside every {@link SendChannel}. */
  readonly asyncRemote: RemoteEndpointAsync;
  /**
   * The value that `onOpen` returned. Socle keeps what a callback changes in it, for its own session and for others. An
   * assignment, wherever it happens, replaces the value and keeps it.
   *
   * @throws {@link SessionObjectError} if you assign a value that hibernation would change; the previous one stays
   */
  sessionObject: T;
  /** The Worker's bindings. */
  readonly env: Env;
  /** The state of the Durable Object that holds the session. */
  readonly ctx: DurableObjectState;
  /** The platform's socket. Socle doesn't see what you do with it directly. */
  readonly webSocket: WebSocket;
  /** The topics to which the session is subscribed: a new copy at each access. Also available in `onClose`. */
  readonly topics: ReadonlySet<string>;
  /**
   * Subscribes the client to a topic. The client first receives what the topic's history has for it, and then what is
   * published. The subscription survives hibernation and deploys, and ends with the session. Subscribing again to the
   * same topic changes and replays nothing.
   *
   * ```ts
   * const since = session.requestParameterMap.get("since") ?? undefined;
   * const { recovered } = await session.subscribe("chat", { since, last: 50 });
   * ```
   *
   * Never pass a topic that a client chose without checking it.
   *
   * @returns a promise that resolves when the session's position is fixed, not when the replay is sent
   * @throws {@link TopicError} for a topic that is not a string of 1 to 256 bytes, and for invalid options;
   * {@link TopicLimitError} past 1,000 topics of the session, or past `maxTopics`; {@link SessionClosedError}; under
   * `shards` {@link UnreachableError}
   */
  subscribe(topic: string, options?: SubscribeOptions): Promise<Subscription>;
  /**
   * Ends the subscription to a topic.
   *
   * @returns whether the session was subscribed
   */
  unsubscribe(topic: string): boolean;
  /**
   * Publishes on a topic of the object, under `shards` of the path. All subscribers receive it in the same order; this
   * session too, unless it is excepted. Also works in `onClose` and after it. Under `shards` the publication comes back
   * from the root, so a session that closes in the same turn doesn't receive it.
   *
   * ```ts
   * await session.publish("chat", "Ada is typing", { except: session });
   * ```
   *
   * Never pass a topic that a client chose without checking it.
   *
   * @param payload a text or bytes, copied at the call
   * @returns a promise that resolves when the publication has its position and, with a history, is stored. If it
   * rejects, the publication may still have happened
   * @throws {@link PayloadError} for anything but a payload, and for one that is too large for a history;
   * {@link TopicError}; {@link TopicLimitError} past `maxTopics` or `maxBytes`; under `shards` {@link OverloadedError}
   * and {@link UnreachableError}
   */
  publish(
    topic: string,
    payload: string | ArrayBuffer | ArrayBufferView,
    options?: PublishOptions,
  ): Promise<Publication>;
  /**
   * Closes the session. Queued messages in both directions are dropped, and `onClose` comes next, without waiting for
   * the client. Does nothing on a session that is not open.
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
