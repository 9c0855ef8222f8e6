// The role of an object for its path: all of it, or under `shards` its root or one of its shards.
import { CloseReason } from "../api/close-reason.ts";
import { DeploymentError } from "../api/errors.ts";
import type { TopicSettings, TopicState } from "../api/topics.ts";
import { shardName } from "../endpoint/object-name.ts";
import { FORM, isKnown, unknownForm } from "../hibernation/form.ts";
import { attempt, placeOf, report } from "../reporting/log.ts";
import { checkData, settle, sizeOf, type Data } from "../sending/data.ts";
import { idsOf } from "../session/excepted.ts";
import type { Subject } from "../session/subject.ts";
import type { Told } from "../shards/message.ts";
import { Root } from "../shards/root.ts";
import { ShardTopics } from "../shards/shard-topics.ts";
import { Shard } from "../shards/shard.ts";
import type { Owner } from "../topics/histories.ts";
import { Topics } from "../topics/topics.ts";
import { broadcast, closeAll, type Audience, type BroadcastOptions } from "./broadcast.ts";
import type { Siblings } from "./siblings.ts";

/** Another object of the path. */
interface Sibling {
  socle(told: Told, form: number): Promise<never>;
}

/** The part of the object's sessions that is needed. */
interface Sessions extends Audience, Owner {
  /** Whether there are sessions, including those in `onOpen`. */
  readonly hasAny: boolean;
  find(socket: WebSocket): Subject | undefined;
  of(socket: WebSocket): Subject | undefined;
}

export class Part {
  readonly topics: Topics | ShardTopics;
  readonly root: Root | undefined;
  readonly shard: Shard | undefined;
  readonly #sessions: Sessions;

  constructor(sessions: Sessions, siblings: Siblings) {
    this.#sessions = sessions;
    const { ctx } = sessions;
    const { name } = siblings;
    const at = (of: string) => siblings.at(of) as unknown as Sibling;
    const host = {
      ctx,
      slices: sessions.slices,
      settings: (path?: string): readonly [TopicSettings, boolean] => sessions.settings(path),
      find: (socket: WebSocket) => sessions.find(socket),
      of: (socket: WebSocket) => sessions.of(socket),
      known: (socket: WebSocket) => sessions.known(socket),
      sweepAt: (time: number) => sessions.sweepAt(time),
    };
    if (name?.shard === undefined) {
      const root =
        name &&
        new Root({
          ctx,
          topics: () => this.topics as Topics,
          shard: (number) => {
            const stub = at(shardName(name.root, number));
            return (delivered) => stub.socle(["deliver", delivered], FORM);
          },
          sweepAt: (time) => sessions.sweepAt(time),
        });
      this.root = root;
      this.topics = new Topics({ ...host, outlet: root });
      return;
    }
    const { shard } = name;
    const toRoot = () => at(name.root);
    this.shard = new Shard({
      ctx,
      shard,
      root: () => {
        const stub = toRoot();
        return (asked) => stub.socle(["ask", asked], FORM);
      },
      hasSessions: () => sessions.hasAny,
      broadcast: (payload, except, tag) =>
        broadcast(sessions, payload, { ...(except && { except }), ...(tag && { tag }) }),
      count: (tag) => sessions.all(tag).length,
      closeAll: (closeCode, reasonPhrase) => closeAll(sessions, new CloseReason(closeCode, reasonPhrase)),
      settled: () => sessions.slices.settled,
    });
    this.topics = new ShardTopics(
      {
        ...host,
        state: (topic, own) => toRoot().socle(["state", topic, [shard, own]], FORM),
        publications: (topic, options) => toRoot().socle(["publications", topic, options], FORM),
      },
      this.shard,
    );
  }

  /**
   * Sends to every session of the object, or under `shards` of the path.
   *
   * @returns the number of receivers in this object
   */
  broadcast(payload: unknown, options: BroadcastOptions): number {
    const { root, shard } = this;
    const sessions = this.#sessions;
    if (!root && !shard) return broadcast(sessions, payload as Data, options);
    // A payload's method can't be sent to another object. @throws {@link PayloadError}
    checkData(payload);
    const excepted = idsOf(options.except);
    const { tag } = options;
    if (root) root.broadcast(payload, [...excepted], tag);
    if (!shard) return 0;
    const bytes = sizeOf(payload);
    shard.admit(bytes);
    shard
      .ask(["broadcast", settle(payload), [...excepted], tag], bytes)
      .catch((error: unknown) => report("a broadcast was lost", error, placeOf(sessions.ctx)));
    return sessions.all(tag).filter(({ id }) => !excepted.has(id)).length;
  }

  async state(topic: string): Promise<TopicState> {
    const state = await this.topics.state(topic);
    return this.root ? { ...state, subscribers: await this.root.subscribers(topic) } : state;
  }

  /** A call from another object of the path, or from the Worker. */
  async told(told: Told, form: number): Promise<unknown> {
    if (!isKnown({ socle: form })) throw unknownForm({ socle: form });
    const { root, shard } = this;
    if (told[0] === "deliver") {
      if (shard) return shard.take(told[1]);
    } else if (root) {
      switch (told[0]) {
        case "ask":
          return root.asked(told[1]);
        case "all":
          return root.all(told[1]);
        case "state":
          return { ...(await this.topics.state(told[1])), subscribers: await root.subscribers(told[1], told[2]) };
        case "publications":
          return this.topics.publications(told[1], told[2]);
      }
    }
    throw new DeploymentError("The object has another role: a deploy has added or removed the option shards.");
  }

  /** The root has to know of a shard before its first session opens. @returns false if the root can't be reached */
  async greet(): Promise<boolean> {
    try {
      await this.shard?.greet();
      return true;
    } catch (error) {
      report("503, because the shard can't register with its root,", error, placeOf(this.#sessions.ctx));
      return false;
    }
  }

  /** All storage was deleted. */
  reset(): void {
    this.root?.reset();
    this.topics.reset();
  }

  /** @returns when to look again; Infinity for never */
  sweep(now: number): number {
    const place = placeOf(this.#sessions.ctx);
    let next = Infinity;
    const look = (what: string, sweep: () => number | undefined) =>
      attempt(what, () => (next = Math.min(next, sweep() ?? Infinity)), place);
    look("histories can't be checked", () => this.topics.sweep(now));
    look("shards can't be checked", () => this.root?.sweep(now));
    return next;
  }
}
