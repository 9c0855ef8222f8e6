// Compares what the clients of a path got with the calls that were made: all clients get one order, no client gets a
// message twice, and a client misses a message only if it was told.
import { env } from "cloudflare:workers";

import type { PlayedPath, PlayedSession, Published, Subscribed } from "./shards-played.ts";
import { TOPICS, type TopicName } from "./shards-script.ts";
import type { Event } from "./topics-client.ts";
import { container } from "./worker.ts";

interface Place {
  readonly epoch: string;
  readonly offset: number;
}

function placeOf(position: string | undefined): Place | undefined {
  const [epoch, offset] = position?.split(".") ?? [];
  return offset === undefined || !/^\d+$/.test(offset) ? undefined : { epoch: epoch!, offset: Number(offset) };
}

/** The newest place in a topic's history, and the publications in it. */
interface Kept {
  readonly place: Place | undefined;
  readonly ids: readonly (readonly [Place, string])[];
}

/** Whether the session had a place in the topic before the subscription ended. */
const hasBegun = ({ result, ended, placed }: Subscribed): boolean =>
  result !== undefined && (ended === undefined || ended > placed!);

type Message = Extract<Event, { type: "message" }>;

export class Check {
  readonly #path: PlayedPath;
  /** The publication at each place, and the place of each publication. */
  readonly #at = new Map<string, string>();
  readonly #of = new Map<string, string>();
  readonly #settles: number[] = [];

  constructor(path: PlayedPath) {
    this.#path = path;
  }

  /** Waits until every required message has arrived, and checks all messages that arrived. */
  async settled(): Promise<void> {
    const path = this.#path;
    await path.settle();
    const kept = await this.#kept();
    let missing: string[] = [];
    for (const begun = Date.now(); ; await scheduler.wait(1)) {
      path.take();
      missing = this.#missing(kept);
      if (missing.length === 0) break;
      if (Date.now() - begun > 30_000) throw new Error(`missing: ${missing.join("; ")}`);
    }
    for (const session of path.sessions) if (session.client) this.#look(session);
    this.#orders();
    this.#publishers();
    path.lately = { root: false, any: false, gaveUp: false };
    this.#settles.push(path.now());
  }

  async #kept(): Promise<Record<TopicName, Kept>> {
    const { served, variant, published } = this.#path;
    const stub = container.stub(env, served.path);
    const all = {} as Record<TopicName, Kept>;
    for (const topic of TOPICS) {
      const place = placeOf((await stub.topic(topic)).position);
      const publications = place ? await stub.publications(topic) : [];
      const ids = publications.map(({ position, payload }) => [placeOf(position)!, payload as string] as const);
      all[topic] = { place, ids };
      for (const [one, id] of ids) this.#note(topic, one, id, "the history");
      const most = variant.histories[topic];
      if (place && most !== undefined && ids.length !== Math.min(most, place.offset)) {
        throw new Error(`${topic} is at ${JSON.stringify(place)} and has ${ids.length} of ${most}`);
      }
      for (const one of published) {
        const at = one.topic === topic ? placeOf(one.position) : undefined;
        if (!at) continue;
        this.#note(topic, at, one.id, "its publisher");
        if (place?.epoch !== at.epoch || at.offset <= place.offset - most!) continue;
        if (!ids.some(([{ offset }, id]) => offset === at.offset && id === one.id)) {
          throw new Error(`${one.id} was published at ${one.position}, and the history doesn't have it`);
        }
      }
    }
    return all;
  }

  #note(topic: TopicName, { epoch, offset }: Place, id: string, who: string): void {
    const key = `${topic} ${epoch}.${offset}`;
    const before = this.#at.get(key);
    if (before !== undefined && before !== id) throw new Error(`${who} has ${id} at ${key}, where ${before} is`);
    const other = this.#of.get(id);
    if (other !== undefined && other !== key) throw new Error(`${who} has ${id} at ${key}, and it is at ${other}`);
    this.#at.set(key, id);
    this.#of.set(id, key);
  }

  #published(id: string): Published {
    const found = this.#path.published.find((one) => one.id === id);
    if (!found) throw new Error(`nobody has published ${id}`);
    return found;
  }

  /** The next place in a topic, without the publications from which the session is excepted. */
  #pass(session: PlayedSession, topic: TopicName, next: Place, until: number): Place {
    let { offset } = next;
    for (; offset < until; offset++) {
      const id = this.#at.get(`${topic} ${next.epoch}.${offset}`);
      const isExcepted = id
        ? this.#published(id).excepted.has(session.name)
        : this.#path.published.some(
            (one) => one.topic === topic && !this.#of.has(one.id) && one.excepted.has(session.name),
          );
      if (!isExcepted) break;
    }
    return { ...next, offset };
  }

  /** The required messages that have not arrived yet. */
  #missing(kept: Record<TopicName, Kept>): string[] {
    const missing: string[] = [];
    for (const session of this.#path.open) {
      if (session.isSlow) continue;
      for (const topic of TOPICS) {
        const subscription = session.subscription(topic);
        if (!subscription?.result) continue;
        const { place } = kept[topic];
        if (this.#path.variant.histories[topic] === undefined) missing.push(...this.#bare(session, subscription));
        else if (place) {
          const next = this.#follow(session, topic);
          if (!next) missing.push(`${session.name} has begun nothing of ${topic}`);
          else {
            const from = next.epoch === place.epoch ? next : { epoch: place.epoch, offset: 1 };
            const passed = this.#pass(session, topic, from, place.offset + 1);
            if (passed.offset <= place.offset)
              missing.push(
                `${session.name} is at ${next.epoch}.${next.offset} of ${topic}, which is at ${place.epoch}.${place.offset}`,
              );
          }
        }
      }
      missing.push(...this.#broadcasts(session));
    }
    return missing;
  }

  #got(session: PlayedSession): Set<string> {
    return new Set(session.client!.events.flatMap((event) => (event.type === "message" ? [event.content] : [])));
  }

  /** The required messages of a topic without a history that have not arrived. */
  #bare(session: PlayedSession, { topic, placed }: Subscribed): string[] {
    const { published, lately } = this.#path;
    if (lately.root || lately.gaveUp) return [];
    const got = this.#got(session);
    return published.flatMap((one) =>
      one.topic === topic &&
      one.called > Math.max(placed!, this.#settles.at(-1) ?? 0) &&
      one.done !== undefined &&
      !one.excepted.has(session.name) &&
      !got.has(one.id)
        ? [`${session.name} has not got ${one.id} of ${topic}`]
        : [],
    );
  }

  #broadcasts(session: PlayedSession): string[] {
    const { published, lately } = this.#path;
    if (lately.any || lately.gaveUp) return [];
    const got = this.#got(session);
    return published.flatMap((one) =>
      one.topic === undefined &&
      one.called > Math.max(session.opened!, this.#settles.at(-1) ?? 0) &&
      one.done !== undefined &&
      !one.excepted.has(session.name) &&
      !got.has(one.id)
        ? [`${session.name} has not got ${one.id}`]
        : [],
    );
  }

  /** Checks all messages of a client, and the place of each. */
  #look(session: PlayedSession): void {
    const { events } = session.client!;
    const once = new Set<string>();
    const { isFaultless, slept } = this.#path;
    const mayRepeat = !isFaultless && slept.has(this.#path.nameOf(session.shard));
    for (const event of events) {
      if (event.type !== "message") continue;
      const one = this.#published(event.content);
      const { topic, id } = one;
      if (event.topic !== topic) throw new Error(`${session.name} got ${id} on ${event.topic}`);
      const place = placeOf(event.position);
      if (place) this.#note(topic!, place, id, session.name);
      else {
        if (once.has(id) && !mayRepeat) throw new Error(`${session.name} got ${id} twice`);
        once.add(id);
        if (one.excepted.has(session.name)) throw new Error(`${session.name} got ${id}, from which it is excepted`);
        if (topic !== undefined) this.#mayHave(session, one);
      }
    }
    for (const topic of TOPICS) {
      if (this.#path.variant.histories[topic] === undefined) continue;
      this.#follow(session, topic);
      for (const one of session.subscriptions) if (one.topic === topic && hasBegun(one)) this.#begins(session, one);
    }
  }

  /** Checks that the session was subscribed, or about to be, at some time between the call and the arrival of its answer. */
  #mayHave(session: PlayedSession, one: Published): void {
    const { isFaultless } = this.#path;
    const own = this.#path.nameOf(session.shard);
    const isOf = session.subscriptions.some(
      ({ topic, called, ended, error }) =>
        topic === one.topic &&
        !error &&
        // Publications of other objects may still be on their way. After a fault, those of its own object may be too.
        (one.done === undefined || one.done > (isFaultless && one.by === own ? called : this.#settledBefore(called))) &&
        (ended === undefined || ended > this.#settledBefore(one.called)),
    );
    if (!isOf) throw new Error(`${session.name} got ${one.id} of ${one.topic}, to which it was not subscribed`);
  }

  #settledBefore(time: number): number {
    return this.#settles.findLast((one) => one < time) ?? 0;
  }

  /** Checks at which place a subscription begins. */
  #begins(session: PlayedSession, { topic, since, last, placed, result }: Subscribed): void {
    const { variant } = this.#path;
    const { recovered, position, replayed } = result!;
    const { epoch, offset: newest } = placeOf(position) ?? { epoch: "", offset: 0 };
    const messages = variant.histories[topic]!;
    const tell = (what: string) => {
      throw new Error(
        `${session.name} subscribed to ${topic} since ${since}, last ${last}, and ${what}: ${JSON.stringify(result)}`,
      );
    };
    const from = placeOf(since);
    const isOfIt = from !== undefined && from.epoch === epoch;
    if (isOfIt && from.offset > newest) tell("is behind what its client had");
    // The root may have had more publications by then, and may have trimmed older ones.
    const ahead = Math.max(newest, ...this.#offsets(topic, epoch, placed!));
    const isSure = isOfIt && from.offset >= ahead - messages;
    const isThere = isOfIt && from.offset >= newest - messages;
    if (recovered ? !isThere : isSure) tell(recovered ? "was recovered" : "was not recovered");
    const most = recovered ? newest - from!.offset : Math.min(last, messages, newest);
    const least = recovered ? most : Math.max(0, Math.min(last, newest, messages - (ahead - newest)));
    if (replayed > most || replayed < least) tell(`is not replayed ${least} to ${most}`);
  }

  /** The offsets of the publications that were published before a time. */
  #offsets(topic: TopicName, epoch: string, before: number): number[] {
    return this.#path.published.flatMap((one) => {
      const place = one.topic === topic && one.called < before ? this.#of.get(one.id) : undefined;
      const prefix = `${topic} ${epoch}.`;
      return place?.startsWith(prefix) ? [Number(place.slice(prefix.length))] : [];
    });
  }

  /**
   * Follows the messages that a client got of a topic.
   *
   * @returns the place of its next publication
   */
  #follow(session: PlayedSession, topic: TopicName): Place | undefined {
    const path = this.#path;
    const begun = session.subscriptions
      .filter((one) => one.topic === topic && one.result)
      .map(({ result }) => {
        const { epoch, offset } = placeOf(result!.position) ?? { epoch: "", offset: 0 };
        return { next: { epoch, offset: offset + 1 - result!.replayed }, newest: offset };
      });
    const knowsPlaces = session.kind === "topics";
    let next: Place | undefined;
    let index = 0;
    /** The last offset of the replay, which ignores exceptions. */
    let replayed = 0;
    for (const event of session.client!.events) {
      if (event.topic !== topic) continue;
      const place = placeOf(event.position);
      if (event.type === "place") {
        // The subscription begins, or the server says that publications are missing.
        const at = { epoch: place?.epoch ?? "", offset: (place?.offset ?? 0) + 1 };
        const found = begun.findIndex(
          (one, after) => after >= index && one.next.offset === at.offset && (one.next.epoch || at.epoch) === at.epoch,
        );
        if (found >= 0) {
          replayed = begun[found]!.newest;
          index = found + 1;
        } else if (event.recovered || (!session.wasSlow && path.isFaultless && !this.#isGone(session, topic, next)))
          throw new Error(`${session.name} is told ${JSON.stringify(event)} for nothing`);
        next = at;
        continue;
      }
      const { content: id } = event;
      if (!place) throw new Error(`${session.name} got ${id} of ${topic} without a position`);
      const fits = (from: Place | undefined): boolean => {
        if (!from) return false;
        // After a clear the topic starts again.
        const isNew = from.epoch !== place.epoch && path.clears + Number(from.epoch === "") > 0;
        const start = isNew ? { epoch: place.epoch, offset: 1 } : from;
        return this.#pass(session, topic, start, place.offset).offset === place.offset && start.epoch === place.epoch;
      };
      if (!fits(next) && !knowsPlaces) {
        while (index < begun.length && !fits(begun[index]!.next)) index++;
        if (begun[index]) {
          next = begun[index]!.next;
          replayed = begun[index]!.newest;
          index++;
        }
      }
      if (!fits(next)) {
        throw new Error(
          `${session.name} got ${id} at ${event.position} of ${topic} when it was at ${JSON.stringify(next)}`,
        );
      }
      // Later subscriptions that began where the client was, without a replay: nothing shows them.
      const at = next!;
      const isSilent = (one?: { next: Place; newest: number }): boolean =>
        one?.next.epoch === at.epoch && one.next.offset === at.offset && one.newest < at.offset;
      while (isSilent(begun[index])) index++;
      const isReplay = place.offset <= replayed;
      if (this.#published(id).excepted.has(session.name) && !isReplay && path.isFaultless && begun.length === 1)
        throw new Error(`${session.name} got ${id}, from which it is excepted`);
      next = { epoch: place.epoch, offset: place.offset + 1 };
    }
    // No message of the last subscription has arrived.
    const last = begun.at(-1)?.next;
    if (!last) return next;
    if (knowsPlaces || next === undefined) return next ?? last;
    return index < begun.length && (last.epoch !== next.epoch || last.offset > next.offset) ? last : next;
  }

  /** Whether the client's next publication was cleared before its onOpen had ended (T11). */
  #isGone({ step }: PlayedSession, topic: TopicName, next: Place | undefined): boolean {
    const isEarly = step.acts.some((act) => act.do === "subscribe" && act.topic === topic);
    return isEarly && this.#path.clears > 0 && this.#at.has(`${topic} ${next?.epoch}.${next?.offset}`);
  }

  /** Checks that all clients get the messages without a place in one order. */
  #orders(): void {
    const { sessions, isFaultless, variant } = this.#path;
    const sequences = sessions.flatMap((session) => {
      const messages = (session.client?.events ?? []).filter((event): event is Message => event.type === "message");
      const bare = messages.filter(({ topic }) => topic === "bare" && variant.histories.bare === undefined);
      const broadcasts = messages.filter(({ topic }) => topic === undefined);
      // A slow client gets publications of a history later. A replay may be older than messages that came before it.
      // A replay in an onOpen comes before all messages that were sent meanwhile.
      const isEarly = session.step.acts.some((act) => act.do === "subscribe");
      const isReplayed = session.subscriptions.some(({ result }) => result?.replayed);
      const isOne = isFaultless && !session.wasSlow && !isEarly && !isReplayed;
      return [bare, broadcasts, ...(isOne ? [messages] : [])].map((some) =>
        Array.from(new Set(some.map(({ content }) => content))),
      );
    });
    const after = new Map<string, Set<string>>();
    for (const sequence of sequences) {
      for (const [index, id] of sequence.entries()) {
        if (!after.has(id)) after.set(id, new Set());
        const following = sequence[index + 1];
        if (following !== undefined) after.get(id)!.add(following);
      }
    }
    const done = new Set<string>();
    const visit = (id: string, way: readonly string[]): void => {
      if (way.includes(id)) {
        const seen = sequences.filter((some) => some.includes(id)).map((some) => some.join(" "));
        throw new Error(`there is no one order: ${[...way, id].join(" ")} in ${seen.join("; ")}`);
      }
      if (done.has(id)) return;
      for (const one of after.get(id) ?? []) visit(one, [...way, id]);
      done.add(id);
    };
    for (const id of after.keys()) visit(id, []);
  }

  /** Checks that the publications of each object are in the order of its calls. */
  #publishers(): void {
    const newest = new Map<string, Place & { id: string }>();
    for (const { by, topic, position, id } of this.#path.published) {
      const place = placeOf(position);
      if (!place) continue;
      const key = `${by} ${topic}`;
      const before = newest.get(key);
      if (before?.epoch === place.epoch && before.offset >= place.offset)
        throw new Error(`${by} published ${before.id} at ${before.offset} before ${id} at ${place.offset}`);
      newest.set(key, { ...place, id });
    }
  }
}
