// The histories of an object's topics: which topics have one, and when old publications are checked.
import type { TopicSettings } from "../api/topics.ts";
import { historyOf } from "../options/topics.ts";
import { attempt } from "../reporting/log.ts";
import type { Subject } from "../session/subject.ts";
import { History } from "./history.ts";
import { Tables } from "./tables.ts";
import type { Topic } from "./topic.ts";

/** The part of the object that is needed. */
export interface Owner {
  readonly ctx: DurableObjectState;
  /**
   * The topic settings of its endpoints, and whether they come from a registered endpoint.
   *
   * @param path the path of a session's endpoint
   * @throws {@link DeploymentError} if the object's endpoint is unknown
   */
  settings(path?: string): readonly [settings: TopicSettings, isRegistered: boolean];
  /** Has old publications checked, at this time or before. */
  sweepAt(time: number): void;
}

export class Histories {
  readonly #owner: Owner;
  readonly #tables: Tables;
  #settings: readonly [TopicSettings, boolean] | undefined;
  /** The tables were compared with the current settings. */
  #isRenewed = false;
  /** When old publications are checked next. */
  #sweepAt = Infinity;

  constructor(owner: Owner) {
    this.#owner = owner;
    this.#tables = new Tables(owner.ctx, () => this.settings);
  }

  get settings(): TopicSettings {
    return (this.#settings ??= this.#owner.settings())[0];
  }

  /** The history of a topic; undefined if it has none. */
  of(topic: Topic<History>, session?: Subject): History | undefined {
    if (topic.history === null) {
      this.#settings ??= this.#owner.settings(session?.path);
      const [settings, isRegistered] = this.#settings;
      const kept = historyOf(settings, topic.name);
      topic.history = kept && new History(this.#tables, topic.name, kept, () => topic.pinned);
      // A history that other code has kept would lack what is published now.
      const old = kept || !isRegistered ? undefined : this.#tables.find(topic.name);
      if (old) this.#tables.forget(old.topic);
    }
    return topic.history;
  }

  /** @throws {@link TopicLimitError} if this many bytes more are too many */
  admit(bytes: number): void {
    this.#tables.checkSize(bytes);
  }

  /**
   * Has the publication checked when it is too old, at most a fifth of the age late. Otherwise each block would have
   * its own alarm.
   */
  watch({ settings: { ageMs } }: History): void {
    const now = Date.now();
    const time = now + Math.ceil(ageMs * 1.2);
    if (this.#sweepAt > now && time >= this.#sweepAt) return;
    this.#sweepAt = time;
    this.#owner.sweepAt(time);
  }

  /** As `sweep` of the tables. */
  sweep(...given: Parameters<Tables["sweep"]>): number | undefined {
    if (!this.#isRenewed) for (const topic of this.#tables.all) this.#renew(topic);
    this.#isRenewed = true;
    const next = this.#tables.sweep(...given);
    this.#sweepAt = next ?? Infinity;
    return next;
  }

  /** Other code may have kept it for another time, or this code keeps no history of the topic. */
  #renew(topic: Tables["all"][number]): void {
    const renew = () => {
      this.#settings ??= this.#owner.settings();
      const [settings, isRegistered] = this.#settings;
      const kept = historyOf(settings, topic.name);
      if (kept) this.#tables.renew(topic, kept.ageMs);
      else if (isRegistered) this.#tables.forget(topic.id);
    };
    attempt("a history keeps its former settings", renew, this.#tables.place);
  }

  /** Storage was emptied. */
  reset(): void {
    this.#tables.reset();
    this.#sweepAt = Infinity;
  }
}
