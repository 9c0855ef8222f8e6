// Delivers publications to their subscribers: as they are published, or from the history to a session that is behind.
import { CloseReason } from "../api/close-reason.ts";
import { BufferFullError } from "../api/errors.ts";
import { report } from "../reporting/log.ts";
import type { Slices } from "../sending/slices.ts";
import { TopicMessage, type Envelope } from "../sending/topic-message.ts";
import type { Subject } from "../session/subject.ts";
import type { Cursor, Past, Topic } from "./topic.ts";

/** A session that can't receive a publication ends: none is skipped silently. */
function fail(session: Subject, error: unknown): void {
  // Something else has closed the socket, and its close event follows.
  if (session.asyncRemote.isReady && session.webSocket.readyState !== WebSocket.OPEN) return;
  report("a publication can't be sent, so its session ends", error, session);
  // Later publications would otherwise be sent without the missing one.
  session.slices.drop(session.webSocket);
  session.end(new CloseReason(error instanceof BufferFullError ? 1013 : 1011));
}

function attemptFor(session: Subject, action: () => void): void {
  try {
    action();
  } catch (error) {
    fail(session, error);
  }
}

/** The part of an object that sends to many. */
export interface Sender {
  readonly slices: Slices;
  find(socket: WebSocket): Subject | undefined;
}

/**
 * Sends a publication to the subscribers of its topic; to many in slices.
 *
 * @param subscribers those at the time of the publication: a later one, added by the envelope, has it from the history
 */
export function deliverAll(
  topic: Topic,
  subscribers: readonly WebSocket[],
  message: TopicMessage,
  excepted: ReadonlySet<string>,
  sender: Sender,
  envelope: Envelope | undefined,
): void {
  const { slices } = sender;
  const send = (socket: WebSocket): void => {
    const session = topic.subscribers.has(socket) ? sender.find(socket) : undefined;
    if (session) deliver(topic, session, message, excepted, envelope);
  };
  if (slices.divides(subscribers.length)) {
    message.settle();
    slices.add(new Set(subscribers), send);
    return;
  }
  for (const socket of subscribers) {
    if (slices.isWaiting) slices.finish(socket);
    send(socket);
  }
}

/** Sends a publication to a subscriber of its topic, or leaves it to the history. */
function deliver(
  topic: Topic,
  session: Subject,
  message: TopicMessage,
  excepted: ReadonlySet<string>,
  envelope: Envelope | undefined,
): void {
  const { history } = topic;
  const { asyncRemote, webSocket } = session;
  if (!session.isOpen) return;
  const isExcepted = excepted.has(session.id);
  const cursor = topic.cursors?.get(webSocket);
  if (cursor) {
    // The session would find it when it reads on.
    if (isExcepted) except(cursor, message.place.offset, history!.first);
    return;
  }
  if (isExcepted) return;
  if (history && !asyncRemote.isFree(message.length)) {
    const { epoch, offset } = message.place;
    follow(topic, { session, epoch, next: offset, skipped: new Set() }, envelope, message.length);
    return;
  }
  try {
    asyncRemote.publish(message);
  } catch (error) {
    fail(session, error);
  }
}

/** Excepts the session from a publication. Offsets that are gone need not be remembered. */
function except(cursor: Cursor, offset: number, first: number): void {
  const { skipped } = cursor;
  skipped.add(offset);
  pass(cursor);
  for (const one of skipped) {
    if (one >= first) return;
    skipped.delete(one);
  }
}

/** Skips the publications from which the session is excepted. */
function pass(cursor: Cursor): void {
  while (cursor.skipped.delete(cursor.next)) cursor.next++;
}

/**
 * Continues a subscription from its place in the history: at once, or after what waits for the 101.
 *
 * @param bytes waits until the client takes this many: later publications of this turn are then delivered after this
 * one
 */
export function follow(topic: Topic, cursor: Cursor, envelope?: Envelope, bytes?: number): void {
  const { session } = cursor;
  const { asyncRemote, webSocket } = session;
  const go = (): void => attemptFor(session, () => advance(topic, cursor, envelope, go));
  cursor.stop = () => asyncRemote.unqueue(go);
  (topic.cursors ??= new Map()).set(webSocket, cursor);
  // A stall is measured from the 101 on.
  if (bytes === undefined || !asyncRemote.isReady) asyncRemote.behind(go);
  else asyncRemote.queue(bytes, go);
}

/**
 * Sends publications of the history to a subscriber, as many as its client takes. After the newest it receives new ones
 * directly.
 *
 * @param go continues when the client takes more
 * @param fetched publications that were fetched
 */
function advance(
  topic: Topic,
  cursor: Cursor,
  envelope: Envelope | undefined,
  go: () => void,
  fetched?: ReturnType<Past["read"]>,
): void {
  const { session } = cursor;
  const { asyncRemote, webSocket } = session;
  const { name } = topic;
  const history = topic.history!;
  const isHere = () => session.isOpen && topic.cursors?.get(webSocket) === cursor;
  if (!isHere()) return;
  const epoch = (cursor.epoch ??= history.epoch);
  for (const one of history.epoch === epoch ? (fetched ?? history.read(cursor.next)) : []) {
    const { offset } = one;
    if (offset < cursor.next) continue;
    // Fetched publications may end before the newest, and may begin after a gap.
    if (offset > cursor.next) break;
    const message = new TopicMessage({ topic: name, epoch, offset }, one, envelope);
    if (!asyncRemote.isFree(message.length)) return asyncRemote.queue(message.length, go);
    asyncRemote.publish(message);
    cursor.next++;
    pass(cursor);
    if (!isHere()) return;
  }
  const fetching = history.epoch === epoch ? history.fetch?.(cursor.next) : undefined;
  if (fetching) {
    fetching.then(
      (more) => attemptFor(session, () => advance(topic, cursor, envelope, go, more)),
      (error: unknown) => fail(session, error),
    );
    return;
  }
  topic.cursors!.delete(webSocket);
  if (topic.cursors!.size === 0) topic.cursors = undefined;
  if (history.epoch === epoch && cursor.next > history.newest) return;
  // The missing publications are gone.
  tellGone(topic, session);
}

/** A session has missed publications that are gone: tells it, or ends it. */
export function tellGone({ name, history }: Topic, session: Subject): void {
  const { epoch, newest } = history!;
  if (session.asyncRemote.tell({ topic: name, epoch, offset: newest }, false)) return;
  report("a slow session ends with 1013", new Error(`It fell behind the history of "${name}".`), session);
  session.end(new CloseReason(1013));
}
