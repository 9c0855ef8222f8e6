// The way of publications to their subscribers: as they come, or, behind what a session has not got yet, from the history.
import { CloseReason } from "../api/close-reason.ts";
import { BufferFullError } from "../api/errors.ts";
import { report } from "../reporting/log.ts";
import type { Slices } from "../sending/slices.ts";
import { TopicMessage, type Envelope } from "../sending/topic-message.ts";
import type { Subject } from "../session/subject.ts";
import type { Cursor, Past, Topic } from "./topic.ts";

/** A session that can't get a publication ends: none is left out silently. */
function fail(session: Subject, error: unknown): void {
  // Something else has closed the socket, and its end is on its way.
  if (session.asyncRemote.isReady && session.webSocket.readyState !== WebSocket.OPEN) return;
  report("a publication can't be sent, so its session ends", error, session);
  // What comes behind it would come in its place.
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

/** What of an object sends to many. */
export interface Sender {
  readonly slices: Slices;
  find(socket: WebSocket): Subject | undefined;
}

/**
 * Sends a publication to the subscribers of its topic: to many in slices.
 *
 * @param subscribers those of when it was published: who comes meanwhile, out of the envelope, has it from the history
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
    // It comes to it when it reads on.
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

/** The session is not to get it. What is gone by now need not be remembered. */
function except(cursor: Cursor, offset: number, first: number): void {
  const { skipped } = cursor;
  skipped.add(offset);
  pass(cursor);
  for (const one of skipped) {
    if (one >= first) return;
    skipped.delete(one);
  }
}

/** What it is not to get it need not find. */
function pass(cursor: Cursor): void {
  while (cursor.skipped.delete(cursor.next)) cursor.next++;
}

/**
 * Has a subscription go on from its place in the history: at once, or behind what waits for the 101.
 *
 * @param bytes when the client takes as many: what its turn has published next is delivered behind this
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
 * Sends what the history has for a subscription, as far as its client takes it. Behind the newest it gets what comes.
 *
 * @param go goes on when the client takes more
 * @param fetched what it reads where it is not at hand
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
    // What was fetched may end before it is all that there is, and may begin behind what is gone.
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
  // What it has not got is gone.
  tellGone(topic, session);
}

/** A session has missed what nobody can give it any more: it is told so, or ends. */
export function tellGone({ name, history }: Topic, session: Subject): void {
  const { epoch, newest } = history!;
  if (session.asyncRemote.tell({ topic: name, epoch, offset: newest }, false)) return;
  report("a slow session ends with 1013", new Error(`It fell behind the history of "${name}".`), session);
  session.end(new CloseReason(1013));
}
