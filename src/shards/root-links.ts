// The links of a root to its shards.
import { placeOf, report } from "../reporting/log.ts";
import type { TopicPlace } from "../topics/outlet.ts";
import { Link, overloaded, type Batch } from "./link.ts";
import type { Delivered, Delivery, Taken } from "./message.ts";

/** The part of the root that is needed. */
interface Host {
  readonly ctx: DurableObjectState;
  readonly life: string;
  /** Returns a function that calls a shard: with a new stub each time. */
  shard(number: number): (delivered: Delivered) => Promise<Taken>;
  /** A shard has taken its deliveries. */
  taken(shard: number, taken: Taken): void;
  place(topic: string): TopicPlace;
}

/** How many bytes may be queued for all shards together. A payload for several shards counts once. */
const MOST_BYTES = 33_554_432;

interface Down {
  readonly link: Link<Delivery, number | undefined>;
  /** All its deliveries have arrived. */
  isSure: boolean;
  /** How often a delivery may not have arrived. */
  faults: number;
  /** The topics in which it has missed publications. */
  readonly behind: Set<string>;
}

export class RootLinks {
  readonly #host: Host;
  readonly #links = new Map<number, Down>();
  /** How many bytes are queued for all shards together. */
  #bytes = 0;

  constructor(host: Host) {
    this.#host = host;
  }

  /** The shards that got a delivery in this life. */
  get shards(): Iterable<number> {
    return this.#links.keys();
  }

  /** Queues a delivery to each of the shards. */
  put(shards: Iterable<number>, delivery: Delivery, bytes = 0): Promise<number | undefined>[] {
    const puts = Array.from(shards, (shard) => this.#to(shard).link.put(delivery, bytes));
    this.#bytes += bytes;
    void Promise.allSettled(puts).then(() => (this.#bytes -= bytes));
    return puts;
  }

  admits(shard: number, bytes: number): boolean {
    return this.#bytes + bytes <= MOST_BYTES && this.#to(shard).link.admits(bytes);
  }

  /** @throws {@link OverloadedError} */
  admit(shard: number, bytes: number): void {
    this.#to(shard).link.admit(bytes, `shard ${shard}`);
    if (!this.admits(shard, bytes)) throw overloaded("the shards");
  }

  /** Which deliveries there were, and which are on their way. */
  link(shard: number): Pick<Link<Delivery, unknown>, "last" | "arrived" | "pending"> {
    return this.#to(shard).link;
  }

  /** No delivery is on its way, and one may have been lost. */
  isUnsure(shard: number): boolean {
    const { link, isSure } = this.#to(shard);
    return link.isIdle && !isSure;
  }

  /** Leaves out a publication: the shard gets it from the history. */
  leave(shard: number, topic: string): void {
    const down = this.#to(shard);
    this.#fault(down);
    down.behind.add(topic);
    if (down.link.isIdle) this.#tellBehind(down);
  }

  #to(shard: number): Down {
    const known = this.#links.get(shard);
    if (known) return known;
    const { ctx, life } = this.#host;
    const connect = () => {
      const deliver = this.#host.shard(shard);
      return async ({ first, things }: Batch<Delivery>) => {
        const { faults, isSure } = down;
        const taken = await deliver({ life, first, isSure, deliveries: things });
        this.#host.taken(shard, taken);
        down.isSure = faults === down.faults;
        this.#tellBehind(down);
        return taken.results;
      };
    };
    const failed = (error: unknown): void => {
      this.#fault(down);
      report(`shard ${shard} can't be reached`, error, placeOf(ctx));
    };
    const link = new Link<Delivery, number | undefined>(connect, (pending) => ctx.waitUntil(pending), failed);
    const down: Down = { link, isSure: false, faults: 0, behind: new Set() };
    this.#links.set(shard, down);
    return down;
  }

  #fault(down: Down): void {
    down.faults++;
    down.isSure = false;
  }

  #tellBehind({ link, behind }: Down): void {
    for (const topic of behind) {
      const { epoch, newest } = this.#host.place(topic);
      if (epoch) void link.put(["newest", topic, epoch, newest], 0);
    }
    behind.clear();
  }
}
