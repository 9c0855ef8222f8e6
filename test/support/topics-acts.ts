// Plays the acts of a script on a real object, and records their results.
import type { Session } from "socle";
import { assert } from "vitest";

import { named } from "./script.ts";
import { AGE, contentOf, FILLERS, type Act, type Publish, type Range } from "./topics-script.ts";
import type { Endpoints } from "./worker.ts";

/** The object or its stub. */
export type Player = Pick<Endpoints, "publish" | "topic" | "publications" | "clearTopic">;

/** Where acts are played. */
export interface Place {
  /** The sessions that the acts may use. */
  sessions: readonly Session[];
  /** Absent by RPC. */
  storage?: DurableObjectStorage;
  /** Absent in a session's callback. */
  player?: Player;
}

export class Acts {
  readonly results: Record<string, string> = {};

  /** @param idOf returns the id of a session by its name */
  constructor(readonly idOf: (name: string) => string) {}

  async play(acts: readonly Act[], place: Place): Promise<void> {
    for (const act of acts) {
      const done = this.#play(act, place);
      if (act.isAwaited) await done;
    }
  }

  async #play(act: Act, place: Place): Promise<void> {
    const session = place.sessions.find(({ id }) => act.by !== undefined && id === this.idOf(act.by));
    try {
      this.results[act.id] = await this.#resultOf(act, session, place);
    } catch (error) {
      this.results[act.id] = named(error as Error);
    }
  }

  #rollBack(acts: readonly Act[], place: Place): void {
    const transaction = () =>
      place.storage!.transactionSync(() => {
        for (const act of acts) void this.#play(act, place);
        throw new Error("rolled back");
      });
    assert.throws(transaction, "rolled back");
  }

  async #resultOf(act: Act, session: Session | undefined, place: Place): Promise<string> {
    const { player } = place;
    if (act.do === "tick") await scheduler.wait(0);
    if (act.do === "close") session!.close(4000);
    if (act.do === "fill") await Promise.all(FILLERS.map((name) => session!.subscribe(name).catch(() => {})));
    if (act.do === "empty") for (const name of FILLERS) session!.unsubscribe(name);
    if (act.do === "rollback") this.#rollBack(act.acts, place);
    if (!("topic" in act)) return "done";
    if (act.do === "unsubscribe") return String(session!.unsubscribe(act.topic));
    if (act.do === "publish") return this.#publish(act, session ?? player!);
    if (act.do === "read") return this.#read(act, player!);
    if (act.do === "subscribe") {
      const { recovered, replayed, position } = await session!.subscribe(act.topic, act);
      return `${recovered} ${replayed} ${position}`;
    }
    if (act.do === "state") {
      const { position, subscribers } = await player!.topic(act.topic);
      return `${position} ${subscribers}`;
    }
    await player!.clearTopic(act.topic);
    return "cleared";
  }

  async #publish(act: Publish, publisher: Pick<Player, "publish">): Promise<string> {
    const { topic, payload, key } = act;
    const content = contentOf(act);
    const data = payload.isBinary ? new TextEncoder().encode(content) : content;
    const except = act.except.map((name) => this.idOf(name));
    const publishing = publisher.publish(topic, data, { except, ...(key && { id: key }) });
    // Socle copied the bytes at the call, so changing them has no effect.
    if (typeof data !== "string") data.fill(0);
    return `${(await publishing).position}`;
  }

  async #read({ topic, since, last }: Range, player: Player): Promise<string> {
    const kept = await player.publications(topic, { since, last });
    return kept
      .map(({ position, payload, time }) => {
        const isBinary = typeof payload !== "string";
        const isYoung = time <= Date.now() && time + AGE > Date.now();
        return `${position} ${isBinary} ${isYoung} ${isBinary ? new TextDecoder().decode(payload) : payload}`;
      })
      .join();
  }
}
