// The floor with the sockets of a path divided over objects: a root calls each of them for each publication.
import { DurableObject } from "cloudflare:workers";

import { Topic as OneObject } from "./floor-topics.ts";
import { KEPT, NEWS, PAYLOAD } from "./subscribed.ts";

interface Env {
  Topic: DurableObjectNamespace<Topic>;
  History: DurableObjectNamespace<History>;
  Root: DurableObjectNamespace<Root>;
  KeepingRoot: DurableObjectNamespace<KeepingRoot>;
}

const SHARDS = "shards";

/** Puts publications into one order: calls on one stub arrive in order. */
export class Root extends DurableObject {
  readonly #shards = new Map<string, DurableObjectStub<Topic> | undefined>(
    this.ctx.storage.kv.get<string[]>(SHARDS)?.map((name) => [name, undefined]),
  );

  join(name: string): void {
    this.#shards.set(name, undefined);
    this.ctx.storage.kv.put(SHARDS, [...this.#shards.keys()]);
  }

  publish(topic: string, payload: string): void {
    for (const [name, known] of this.#shards) {
      const stub = known ?? this.shards.getByName(name);
      this.#shards.set(name, stub);
      // A stub that failed once keeps failing.
      stub.deliver(topic, payload).catch(() => this.#shards.set(name, undefined));
    }
  }

  protected get shards(): DurableObjectNamespace<Topic> {
    return (this.env as Env).Topic;
  }
}

/** A row for each publication. Old rows are deleted a hundred at a time. */
export class KeepingRoot extends Root {
  readonly #sql = this.ctx.storage.sql;
  #newest: number;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.#sql.exec("CREATE TABLE IF NOT EXISTS publications (offset INTEGER PRIMARY KEY, time INTEGER, payload TEXT)");
    const [found] = this.#sql.exec<{ newest: number }>("SELECT ifnull(max(offset), 0) AS newest FROM publications");
    this.#newest = found!.newest;
  }

  override publish(topic: string, payload: string): void {
    const offset = ++this.#newest;
    this.#sql.exec("INSERT INTO publications VALUES (?, ?, ?)", offset, Date.now(), payload);
    if (offset % 100 === 0) this.#sql.exec("DELETE FROM publications WHERE offset <= ?", offset - KEPT);
    super.publish(topic, payload);
  }

  protected override get shards(): DurableObjectNamespace<Topic> {
    return (this.env as Env).History;
  }
}

export class Topic extends OneObject {
  #root: DurableObjectStub<Root> | undefined;
  #joined: Promise<void> | undefined;

  override async fetch(request: Request): Promise<Response> {
    await (this.#joined ??= this.root.join(this.ctx.id.name!));
    return super.fetch(request);
  }

  deliver(topic: string, payload: string): void {
    super.publish(topic, payload);
  }

  protected override publish(topic: string, payload: string): void {
    this.root.publish(topic, payload).catch(() => (this.#root = undefined));
  }

  protected get roots(): DurableObjectNamespace<Root> {
    return (this.env as Env).Root;
  }

  private get root(): DurableObjectStub<Root> {
    return (this.#root ??= this.roots.getByName(this.ctx.id.name!.split("#")[0]!));
  }
}

export class History extends Topic {
  override webSocketMessage(_socket: WebSocket, message: string | ArrayBuffer): void {
    for (let left = Number(message); left > 0; left--) this.publish(NEWS, PAYLOAD);
  }

  protected override get roots(): DurableObjectNamespace<Root> {
    return (this.env as Env).KeepingRoot;
  }
}

export default {
  fetch(request, { Topic: topic, History: history }) {
    const { pathname, searchParams } = new URL(request.url);
    const [, , work, name] = pathname.split("/");
    const namespace: DurableObjectNamespace<Topic> | undefined = { topic, history }[work ?? ""];
    if (!namespace || request.headers.get("Upgrade")?.toLowerCase() !== "websocket") {
      return new Response("Not Found", { status: 404 });
    }
    return namespace.getByName(`${name!}#${searchParams.get("shard") ?? 0}`).fetch(request);
  },
} satisfies ExportedHandler<Env>;
