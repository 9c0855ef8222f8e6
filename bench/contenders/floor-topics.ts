// The floor with topics: sets of sockets by topic in memory, and the topics of a socket in its attachment. A
// history is a row for each publication. Old rows are deleted a hundred at a time.
import { Hibernating, worker, type Attached } from "./by-hand.ts";
import { COLLECT, collect, KEPT, NEWS, PAYLOAD, REPLAYED, rowsOf, topicsOf } from "./subscribed.ts";

interface Subscribed extends Attached {
  topics: string[];
}

let instances = 0;

export class Topic extends Hibernating {
  readonly #instance = ++instances;
  /** Undefined until somebody publishes after the object woke. */
  #subscribers: Map<string, Set<WebSocket>> | undefined;

  /** The message may say how many publications to make. */
  override webSocketMessage(_socket: WebSocket, message: string | ArrayBuffer): void {
    if (message === COLLECT) collect();
    for (let left = Number(message) || 1; left > 0; left--) {
      this.publish(NEWS, `${message as string} ${this.#instance}`);
    }
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    super.webSocketClose(socket, code, reason);
    const { topics } = socket.deserializeAttachment() as Subscribed;
    for (const topic of topics) this.#subscribers?.get(topic)?.delete(socket);
  }

  protected override attached(request: Request): Subscribed {
    return { ...super.attached(request), topics: topicsOf(new URL(request.url).searchParams) };
  }

  protected override accepted(socket: WebSocket, { topics }: Subscribed): void {
    if (this.#subscribers) for (const topic of topics) this.#add(this.#subscribers, topic, socket);
  }

  protected publish(topic: string, payload: string): void {
    for (const socket of this.#all().get(topic) ?? []) {
      try {
        socket.send(payload);
      } catch {
        // This socket is closing. The others still get the publication.
      }
    }
  }

  protected unsubscribe(socket: WebSocket, topic: string): void {
    const kept = socket.deserializeAttachment() as Subscribed;
    socket.serializeAttachment({ ...kept, topics: kept.topics.filter((one) => one !== topic) });
    this.#subscribers?.get(topic)?.delete(socket);
  }

  protected subscribe(socket: WebSocket, topic: string): void {
    const kept = socket.deserializeAttachment() as Subscribed;
    socket.serializeAttachment({ ...kept, topics: [...kept.topics, topic] });
    if (this.#subscribers) this.#add(this.#subscribers, topic, socket);
  }

  #all(): Map<string, Set<WebSocket>> {
    if (this.#subscribers) return this.#subscribers;
    const subscribers = new Map<string, Set<WebSocket>>();
    for (const socket of this.ctx.getWebSockets()) {
      const { topics } = socket.deserializeAttachment() as Subscribed;
      for (const topic of topics) this.#add(subscribers, topic, socket);
    }
    return (this.#subscribers = subscribers);
  }

  #add(subscribers: Map<string, Set<WebSocket>>, topic: string, socket: WebSocket): void {
    const sockets = subscribers.get(topic);
    if (sockets) sockets.add(socket);
    else subscribers.set(topic, new Set([socket]));
  }
}

const CREATE = `CREATE TABLE IF NOT EXISTS publications (
  topic TEXT NOT NULL, offset INTEGER NOT NULL, time INTEGER NOT NULL, payload TEXT NOT NULL, PRIMARY KEY (topic, offset)
) WITHOUT ROWID`;

export class History extends Topic {
  readonly #sql = this.ctx.storage.sql;
  readonly #rows = rowsOf(this.ctx.storage);
  #newest: number;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.#sql.exec(CREATE);
    this.#newest = this.#sql
      .exec<{ newest: number }>("SELECT ifnull(max(offset), 0) AS newest FROM publications WHERE topic = ?", NEWS)
      .one().newest;
  }

  /** The message says how many publications to make, or asks for something else. */
  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    if (message === "rows") return socket.send(`${this.#rows()}`);
    if (message === "replay") return this.#replay(socket);
    for (let left = Number(message); left > 0; left--) this.publish(NEWS, PAYLOAD);
  }

  protected override publish(topic: string, payload: string): void {
    const offset = ++this.#newest;
    this.#sql.exec("INSERT INTO publications VALUES (?, ?, ?, ?)", topic, offset, Date.now(), payload);
    if (offset % 100 === 0) {
      this.#sql.exec("DELETE FROM publications WHERE topic = ? AND offset <= ?", topic, offset - KEPT);
    }
    super.publish(topic, payload);
  }

  #replay(socket: WebSocket): void {
    this.unsubscribe(socket, NEWS);
    this.subscribe(socket, NEWS);
    const rows = this.#sql.exec<{ payload: string }>(
      "SELECT payload FROM publications WHERE topic = ? AND offset > ? ORDER BY offset",
      NEWS,
      this.#newest - REPLAYED,
    );
    for (const { payload } of rows) socket.send(payload);
  }
}

export default worker;
