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
 * The path parameters of a template: `{ room: string }` for `"/chat/{room}"` or `"/chat/:room"`. Of a path that is not
 * known at compile time, any.
 */
export type PathParameters<Path extends string> = string extends Path
  ? Readonly<Record<string, string>>
  : { readonly [Name in ParameterNames<Path>]: string };

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
  /** The URL with which the session was opened: a new copy at each access. */
  readonly requestURI: URL;
  /** The values of the path's parameters, percent-decoded. Frozen. */
  readonly pathParameters: PathParameters<Path>;
  /** The query of the URL without "?", "" if there is none. */
  readonly queryString: string;
  /** The query's parameters: a new copy at each access. */
  readonly requestParameterMap: URLSearchParams;
  /** The subprotocol on which client and endpoint agreed, "" if none. */
  readonly negotiatedSubprotocol: string;
  /**
   * Who the client is, as `onHandshake` said: a JSON value; undefined if it said nothing. No client can set it. Frozen
   * through and through.
   *
   * @see Jakarta: `getUserPrincipal`
   */
  readonly userPrincipal: unknown;
  /**
   * The session's own data beside the session object: what `configure` and `onHandshake` gave, and what callbacks add.
   * Changes are kept as those of the session object are.
   *
   * @throws {@link SessionObjectError} on assignment of what is no plain object, or what hibernation would change
   * @see Jakarta: `getUserProperties`
   */
  userProperties: Record<string, unknown>;
  /** What the option `tags` gave: by these `broadcast` and `openSessions` of the object find the session. Frozen. */
  readonly tags: readonly string[];
  /**
   * After how many milliseconds without a message, in or out, the session closes with 1001; 0 for never. An assignment
   * begins the time anew. Late by at most a twentieth of it, or a second.
   *
   * @throws {@link LimitError} on assignment of anything but a whole number from 0
   * @see Jakarta: `getMaxIdleTimeout`, `setMaxIdleTimeout`
   */
  maxIdleTimeout: number;
  /**
   * How many bytes of UTF-8 a text message may have; one with more closes the session with 1009.
   *
   * @throws {@link LimitError} on assignment of anything but a whole number from 1
   * @see Jakarta: `getMaxTextMessageBufferSize`, `setMaxTextMessageBufferSize`
   */
  maxTextMessageBufferSize: number;
  /** As {@link maxTextMessageBufferSize}, for binary messages. */
  maxBinaryMessageBufferSize: number;
  /** The extensions that the runtime says it agreed on with the client. */
  readonly negotiatedExtensions: readonly string[];
  /** The version of the WebSocket protocol, "13". */
  readonly protocolVersion: string;
  /** Whether the client came over TLS. */
  readonly isSecure: boolean;
  /** Whether messages can be sent: false from the first Close frame on, of either side. */
  readonly isOpen: boolean;
  /**
   * Aborts when the session ends, in whatever way, as soon as the object hears of it, also while one of the session's callbacks is
   * under way. Its reason is a {@link SessionClosedError} with the `closeReason`. A callback that rejects with that reason was
   * stopped: neither `onError` nor the log is told.
   *
   * ```ts
   * onText: async (user, question, session) => {
   *   const answer = await fetch(MODEL, { method: "POST", body: question, signal: session.signal });
   *   for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) await session.asyncRemote.sendText(part);
   * }
   * ```
   *
   * It is made when it is first asked for. After hibernation it is another one.
   */
  readonly signal: AbortSignal;
  /** The open sessions of the same endpoint in the same Durable Object, this one included once it is open. Under `shards` those of its shard. */
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
  /** The topics to which the session is subscribed: a new copy at each access. In `onClose` they are still there. */
  readonly topics: ReadonlySet<string>;
  /**
   * Has the client get what is published on a topic from now on, and first what its history has for it. The subscription
   * outlives hibernation and deploys, and ends with the session. A second one of the same topic changes and replays nothing.
   *
   * ```ts
   * const since = session.requestParameterMap.get("since") ?? undefined;
   * const { recovered } = await session.subscribe("chat", { since, last: 50 });
   * ```
   *
   * Never pass a topic that a client chose without looking at it.
   *
   * @returns a promise that resolves when the session's place is fixed, not when the replay is sent
   * @throws {@link TopicError} for a topic that is no string of 1 to 256 bytes, and for options that can't be;
   * {@link TopicLimitError} past 1,000 topics of the session, or past `maxTopics`; {@link SessionClosedError}; under `shards`
   * {@link UnreachableError}
   */
  subscribe(topic: string, options?: SubscribeOptions): Promise<Subscription>;
  /** @returns whether the session was subscribed */
  unsubscribe(topic: string): boolean;
  /**
   * Publishes on a topic of the object, under `shards` of the path. All subscribers get it in the same order, this session too, unless it is
   * excepted. It works in `onClose` and after it too. Under `shards` it comes back from the root: a session that closes in the same turn doesn't
   * get it.
   *
   * ```ts
   * await session.publish("chat", "Ada is typing", { except: session });
   * ```
   *
   * Never pass a topic that a client chose without looking at it.
   *
   * @param payload a text or bytes, taken as it is at the call
   * @returns a promise that resolves when the publication has its place and, with a history, is kept. One that rejects may still
   * have happened
   * @throws {@link PayloadError} for what is no payload, and for what is too large for a history; {@link TopicError};
   * {@link TopicLimitError} past `maxTopics` or `maxBytes`; under `shards` {@link OverloadedError} and {@link UnreachableError}
   */
  publish(
    topic: string,
    payload: string | ArrayBuffer | ArrayBufferView,
    options?: PublishOptions,
  ): Promise<Publication>;
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
