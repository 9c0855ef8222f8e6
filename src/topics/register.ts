// The topics of an object that have subscribers or are being published on, and the subscribers.
import { readSubscriptions } from "../hibernation/attached.ts";
import type { Subject } from "../session/subject.ts";
import { namesIn } from "../session/subscriptions.ts";
import { Topic, type Past } from "./topic.ts";

/** The part of the object's sessions that is needed. */
export interface Host {
  readonly ctx: DurableObjectState;
  /** The session of a socket, without its session object; undefined if it has ended. */
  find(socket: WebSocket): Subject | undefined;
  /** The same for an event of the session; a session that can't be read ends. */
  of(socket: WebSocket): Subject | undefined;
  /** The session, if it had an event since the object woke. */
  known(socket: WebSocket): Subject | undefined;
}

export class Register<Kept extends Past> {
  readonly #host: Host;
  readonly #all = new Map<string, Topic<Kept>>();
  /** The subscriptions of the hibernated sessions were read. */
  #isComplete = false;

  constructor(host: Host) {
    this.#host = host;
  }

  get all(): Iterable<Topic<Kept>> {
    return this.#all.values();
  }

  at(name: string): Topic<Kept> {
    let topic = this.#all.get(name);
    if (!topic) this.#all.set(name, (topic = new Topic(name)));
    return topic;
  }

  find(name: string): Topic<Kept> | undefined {
    return this.#all.get(name);
  }

  /** Removes a topic that is not used any more. */
  forget(topic: Topic<Kept>): void {
    // A caller that waited may hold a topic that was replaced by another meanwhile.
    if (topic.isIdle && this.#all.get(topic.name) === topic) this.#all.delete(topic.name);
  }

  /** Looks in all topics, because the names of a socket that can't be read are unknown. */
  drop(socket: WebSocket): void {
    for (const topic of this.#all.values()) {
      if (topic.subscribers.delete(socket)) this.forget(topic);
    }
  }

  remove({ webSocket }: Pick<Subject, "webSocket">, name: string): void {
    const topic = this.#all.get(name);
    if (!topic) return;
    topic.subscribers.delete(webSocket);
    const cursor = topic.cursors?.get(webSocket);
    topic.cursors?.delete(webSocket);
    cursor?.stop?.();
    this.forget(topic);
  }

  leave(session: Subject): void {
    if (this.#all.size > 0) for (const name of session.subscriptions.names) this.remove(session, name);
  }

  /**
   * Reads the subscriptions of hibernated sockets, once: only their attachments have them.
   *
   * @returns whether it did so now
   */
  complete(): boolean {
    if (this.#isComplete) return false;
    this.#isComplete = true;
    for (const socket of this.#host.ctx.getWebSockets()) {
      for (const name of this.#namesOf(socket)) this.at(name).subscribers.add(socket);
    }
    return true;
  }

  #namesOf(socket: WebSocket): readonly string[] {
    const session = this.#host.known(socket);
    if (session) return session.isOpen ? session.subscriptions.names : [];
    try {
      const kept = readSubscriptions(socket, this.#host.ctx.storage);
      return kept ? namesIn(kept) : [];
    } catch {
      // Ends the session, and logs it.
      this.#host.of(socket);
      return [];
    }
  }
}
