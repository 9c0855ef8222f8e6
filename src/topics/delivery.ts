// The way of publications to their subscribers: as they come, or, behind what a session has not got yet, from the history.
import { CloseReason } from "../api/close-reason.ts";
import { BufferFullError } from "../api/errors.ts";
import { report } from "../reporting/log.ts";
import { TopicMessage, type Envelope } from "../sending/topic-message.ts";
import type { Subject } from "../session/subject.ts";
import type { Cursor, Topic } from "./topic.ts";

/** How many bytes may wait for the 101 of a session, where no option says otherwise. */
const MAX_KEPT = 1_048_576;

/** A session that can't get a publication ends: none is left out silently. */
function fail(session: Subject, error: unknown): void {
  // Something else has closed the socket, and its end is on its way.
  if (session.asyncRemote.isReady && session.webSocket.readyState !== WebSocket.OPEN) return;
  report("a publication can't be sent, and its session ends", error, session);
  session.end(new CloseReason(error instanceof BufferFullError ? 1013 : 1011));
}

/** To one session, now. Without a history nothing else keeps it. */
function send(session: Subject, message: TopicMessage): void {
  const { asyncRemote } = session;
  try {
    if (!asyncRemote.isReady && asyncRemote.keptAmount + message.length > MAX_KEPT) {
      throw new BufferFullError("Not sent: what waits until onOpen has run is more than a megabyte.");
    }
    asyncRemote.publish(message);
  } catch (error) {
    fail(session, error);
  }
}

/** Sends a publication to the subscribers of its topic. */
export function deliver(
  topic: Topic,
  message: TopicMessage,
  excepted: ReadonlySet<string>,
  sessionOf: (socket: WebSocket) => Subject | undefined,
  envelope: Envelope | undefined,
): void {
  const { history } = topic;
  for (const socket of topic.subscribers) {
    const session = sessionOf(socket);
    if (!session?.isOpen) continue;
    const isExcepted = excepted.has(session.id);
    const cursor = topic.cursors?.get(socket);
    if (cursor) {
      // It comes to it when it reads on.
      if (isExcepted) cursor.skipped.add(message.place.offset);
      continue;
    }
    if (isExcepted) continue;
    const waiting = history && session.asyncRemote.whenFree?.(message.length);
    if (!waiting) send(session, message);
    else {
      const { epoch, offset } = message.place;
      follow(topic, { session, epoch, next: offset, skipped: new Set() }, envelope, waiting);
    }
  }
}

/** Has a subscription go on from its place in the history, at once or when its client has taken something. */
export function follow(topic: Topic, cursor: Cursor, envelope?: Envelope, waiting?: Promise<unknown>): void {
  const { session } = cursor;
  (topic.cursors ??= new Map()).set(session.webSocket, cursor);
  const go = () => {
    try {
      advance(topic, cursor, envelope);
    } catch (error) {
      fail(session, error);
    }
  };
  if (waiting) void waiting.then(go);
  else session.asyncRemote.behind(go);
}

/** Sends what the history has for a subscription, as far as its client takes it. Behind the newest it gets what comes. */
function advance(topic: Topic, cursor: Cursor, envelope: Envelope | undefined): void {
  const { session, epoch, skipped } = cursor;
  const { asyncRemote, webSocket } = session;
  const { name } = topic;
  const history = topic.history!;
  const isHere = () => session.isOpen && topic.cursors?.get(webSocket) === cursor;
  for (const { offset, item } of history.epoch === epoch ? history.read(cursor.next) : []) {
    if (!isHere()) return;
    if (!skipped.delete(offset)) {
      const message = new TopicMessage({ topic: name, epoch, offset }, item, envelope);
      const waiting = asyncRemote.whenFree?.(message.length);
      if (waiting) return follow(topic, cursor, envelope, waiting);
      asyncRemote.publish(message);
    }
    cursor.next = offset + 1;
  }
  if (!isHere()) return;
  topic.cursors!.delete(webSocket);
  if (topic.cursors!.size === 0) topic.cursors = undefined;
  if (history.epoch === epoch && cursor.next > history.newest) return;
  // What it has not got is gone.
  if (asyncRemote.tell({ topic: name, epoch: history.epoch, offset: history.newest }, false)) return;
  report("a slow session ends with 1013", new Error(`Its place in the history of "${name}" is gone.`), session);
  session.end(new CloseReason(1013));
}
