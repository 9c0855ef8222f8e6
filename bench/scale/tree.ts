// Simulates shards: a root that puts publications into one order, shards with listeners, and relays between them.
import { Agenda } from "./agenda.ts";
import {
  CALL,
  DELIVERY,
  DELIVERY_CALL,
  FURTHER_IN_FRAME,
  HOP,
  KEPT,
  MOST_TOGETHER,
  OUTPUT_GATE,
  PUBLICATION_AND_SHARD,
  WRITE,
} from "./costs.ts";
import { Random } from "./random.ts";
import { runOf, type Kind, type Run } from "./run.ts";
import { Thread } from "./thread.ts";

export interface TreeShape {
  readonly listeners: number;
  /** How many objects each object has under it, from the root on: `[]` is one object, `[64]` shards, `[10, 64]` relays with shards. */
  readonly fanOut: readonly number[];
  /** A message for each publication, or a frame of socle.v1 for all publications that a shard got together. */
  readonly sends: "messages" | "frames";
  readonly hasHistory: boolean;
  /** Publish by a call for each publication, or in the root, many in a turn. */
  readonly publishes?: "by calls" | "in the root";
  /** In production each object has its own thread. A local workerd has one for all. */
  readonly threads?: "each" | "one";
}

/** The time in which a part of the path is gone, in microseconds. */
export interface Outage {
  readonly of: "root" | "relay";
  readonly from: number;
  readonly until: number;
}

/** One object. */
class Member {
  readonly links: Link[] = [];
  busy = 0;
  awake = 0;
  calls = 0;
  /** How many publications it has to pass on, counted from the first. */
  taken = 0;
  /** What it waits for. */
  #pending = 0;
  #since = 0;

  constructor(
    readonly kind: Kind,
    readonly thread: Thread,
    readonly listeners: number,
  ) {}

  compute(now: number, cost: number): number {
    this.busy += cost;
    return this.thread.run(now, cost);
  }

  begin(now: number): void {
    if (this.#pending++ === 0) this.#since = now;
  }

  end(now: number): void {
    if (--this.#pending === 0) this.awake += now - this.#since;
  }
}

/** The serial link to one object: publications that come during a call go together in the next. */
interface Link {
  readonly to: Member;
  next: number;
  isBusy: boolean;
}

export class Tree {
  readonly #agenda = new Agenda();
  readonly #random: Random;
  readonly #shape: TreeShape;
  readonly #members: Member[] = [];
  readonly #root: Member;
  readonly #published: number[] = [];
  readonly #delivered: number[] = [];
  /** Published, and not written yet. */
  #unwritten = 0;
  #isWriting = false;
  #releasedAt = 0;

  constructor(shape: TreeShape, seed: number) {
    this.#shape = shape;
    this.#random = new Random(seed);
    const shared = shape.threads === "one" ? new Thread() : undefined;
    const shards = shape.fanOut.reduce((product, count) => product * count, 1);
    const grow = (floor: number): Member => {
      const isLast = floor === shape.fanOut.length;
      const share = shape.listeners / shards;
      // Each listener is at a random shard.
      const spread = shards === 1 ? 0 : Math.sqrt(share) * this.#random.normal();
      const listeners = isLast ? Math.max(0, Math.round(share + spread)) : 0;
      const kind = floor === 0 ? "root" : isLast ? "shard" : "relay";
      const member = new Member(kind, shared ?? new Thread(), listeners);
      this.#members.push(member);
      for (let index = 0; index < (shape.fanOut[floor] ?? 0); index++) {
        member.links.push({ to: grow(floor + 1), next: 0, isBusy: false });
      }
      // One object is a root with itself as its only shard.
      if (isLast && floor === 0) member.links.push({ to: member, next: 0, isBusy: false });
      return member;
    };
    this.#root = grow(0);
  }

  /** @param times when each is published, in microseconds, ascending */
  run(times: readonly number[], outage?: Outage): Run {
    const agenda = this.#agenda;
    if (outage) {
      const lost = this.#members.find(({ kind }) => kind === outage.of)!;
      agenda.put(outage.from, () => lost.thread.stop(outage.until));
    }
    for (const at of times) {
      this.#published.push(at);
      this.#delivered.push(at);
      if (this.#shape.publishes === "in the root") agenda.put(at, () => this.#publish());
      else agenda.put(at + this.#hop(), () => this.#arrive());
    }
    agenda.run();
    return runOf(this.#published, this.#delivered, this.#members);
  }

  #hop(): number {
    return this.#shape.threads === "one" ? 0 : this.#random.delay(HOP);
  }

  #arrive(): void {
    const { now } = this.#agenda;
    this.#agenda.put(this.#root.compute(now, CALL / 2), () => this.#publish());
  }

  /** Publications that come while the root computes are written together. */
  #publish(): void {
    const { now } = this.#agenda;
    this.#root.begin(now);
    if (!this.#shape.hasHistory) return this.#release(1);
    this.#unwritten++;
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#agenda.put(this.#root.thread.free, () => this.#write());
  }

  #write(): void {
    const count = this.#unwritten;
    this.#unwritten = 0;
    this.#isWriting = false;
    const written = this.#root.compute(this.#agenda.now, WRITE + KEPT * count);
    const gate = this.#shape.threads === "one" ? 0 : this.#random.delay(OUTPUT_GATE);
    this.#releasedAt = Math.max(this.#releasedAt, written + gate);
    this.#agenda.put(this.#releasedAt, () => this.#release(count));
  }

  #release(count: number): void {
    this.#pass(this.#root, count);
    for (let one = 0; one < count; one++) this.#root.end(this.#agenda.now);
  }

  #pass(member: Member, count: number): void {
    member.taken += count;
    for (const link of member.links) if (!link.isBusy) this.#send(member, link);
  }

  #send(from: Member, link: Link): void {
    const count = Math.min(from.taken - link.next, MOST_TOGETHER);
    if (count === 0) return;
    const { now } = this.#agenda;
    const first = link.next;
    link.next += count;
    link.isBusy = true;
    from.begin(now);
    const answered = (): void => {
      link.isBusy = false;
      this.#send(from, link);
      from.end(this.#agenda.now);
    };
    if (link.to === from) {
      this.#agenda.put(this.#deliver(from, now, first, count), answered);
      return;
    }
    from.calls++;
    const sent = from.compute(now, (DELIVERY_CALL + PUBLICATION_AND_SHARD * count) / 2);
    this.#agenda.put(sent + this.#hop(), () => this.#receive(link.to, first, count, answered));
  }

  #receive(member: Member, first: number, count: number, answered: () => void): void {
    const { now } = this.#agenda;
    const begun = Math.max(now, member.thread.free);
    let done = member.compute(now, (DELIVERY_CALL + PUBLICATION_AND_SHARD * count) / 2);
    if (member.links.length > 0) {
      this.#agenda.put(done, () => this.#pass(member, count));
    } else {
      // A slow shard therefore delays its link, and its publications wait in the root.
      done = this.#deliver(member, done, first, count);
      member.awake += done - begun;
    }
    this.#agenda.put(done + this.#hop(), answered);
  }

  /** @returns when the last listener has all of them */
  #deliver(member: Member, now: number, first: number, count: number): number {
    const { listeners } = member;
    let done = now;
    if (this.#shape.sends === "frames") {
      done = member.compute(now, listeners * (DELIVERY + FURTHER_IN_FRAME * (count - 1)));
      for (let one = first; one < first + count; one++) this.#tell(one, done);
    } else {
      for (let one = first; one < first + count; one++) {
        done = member.compute(done, listeners * DELIVERY);
        this.#tell(one, done);
      }
    }
    return done;
  }

  #tell(publication: number, at: number): void {
    if (at > this.#delivered[publication]!) this.#delivered[publication] = at;
  }
}
