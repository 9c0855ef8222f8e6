// The histories of an object's topics: what is kept of which, and when what is too old is looked at.
import type { TopicSettings } from "../api/topics.ts";
import { historyOf } from "../options/topics.ts";
import { attempt } from "../reporting/log.ts";
import type { Subject } from "../session/subject.ts";
import { History } from "./history.ts";
import { Tables } from "./tables.ts";
import type { Topic } from "./topic.ts";

/** What they need of the object. */
export interface Owner {
  readonly ctx: DurableObjectState;
  /**
   * What its endpoints say of topics, and whether that is one which is registered.
   *
   * @param path of the endpoint of a session
   * @throws {@link DeploymentError} if nothing tells which endpoint is the object's
   */
  settings(path?: string): readonly [settings: TopicSettings, isRegistered: boolean];
  /** Has what is too old looked at, at this time or before. */
  sweepAt(time: number): void;
}

export class Histories {
  readonly #owner: Owner;
  readonly #tables: Tables;
  #settings: readonly [TopicSettings, boolean] | undefined;
  /** What is in storage was held against the settings of now. */
  #isRenewed = false;
  /** When what is too old is looked at next. */
  #sweepAt = Infinity;

  constructor(owner: Owner) {
    this.#owner = owner;
    this.#tables = new Tables(owner.ctx, () => this.settings);
  }

  get settings(): TopicSettings {
    return (this.#settings ??= this.#owner.settings())[0];
  }

  /** Of a topic; undefined if it has none. */
  of(topic: Topic<History>, session?: Subject): History | undefined {
    if (topic.history === null) {
      this.#settings ??= this.#owner.settings(session?.path);
      const [settings, isRegistered] = this.#settings;
      const kept = historyOf(settings, topic.name);
      topic.history = kept && new History(this.#tables, topic.name, kept, () => topic.pinned);
      // What other code has kept would lack what is published now.
      const old = kept || !isRegistered ? undefined : this.#tables.find(topic.name);
      if (old) this.#tables.forget(old.topic);
    }
    return topic.history;
  }

  /** @throws {@link TopicLimitError} where so many bytes more are too many */
  admit(bytes: number): void {
    this.#tables.checkSize(bytes);
  }

  /** Has what was published looked at when it is too old: a fifth of its age late at most, or each block would have its alarm. */
  watch({ settings: { ageMs } }: History): void {
    const now = Date.now();
    const time = now + Math.ceil(ageMs * 1.2);
    if (this.#sweepAt > now && time >= this.#sweepAt) return;
    this.#sweepAt = time;
    this.#owner.sweepAt(time);
  }

  /** As that of the tables. */
  sweep(...given: Parameters<Tables["sweep"]>): number | undefined {
    if (!this.#isRenewed) for (const topic of this.#tables.all) this.#renew(topic);
    this.#isRenewed = true;
    const next = this.#tables.sweep(...given);
    this.#sweepAt = next ?? Infinity;
    return next;
  }

  /** The code that kept it may have kept it for another time, or this keeps nothing of it. */
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
