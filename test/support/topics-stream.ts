// What one client may get of one topic. If several things may come next, as for a slow client, it follows all of them.
import type { Published, ReferenceTopic } from "./topics-history.ts";
import type { Kind } from "./topics-script.ts";

/** An event that a client got. */
export type Received =
  | { type: "publication"; published: Published }
  | { type: "place"; recovered: boolean; position: string | undefined };

/** The session of the client. */
interface Subscriber {
  readonly opening: { readonly kind: Kind };
  readonly isAccepted: boolean;
  /** Whether publications wait for credit of the client. */
  readonly isCredited: boolean;
}

/** A subscription. */
interface Segment {
  readonly start: number;
  readonly recovered: boolean;
  readonly position: string | undefined;
  /** The index after the last publication that it gets. */
  end: number;
  /** Whether the client may miss some of its publications. */
  isCut: boolean;
  readonly excepted: Set<number>;
}

/** The subscription in which the client is, and the index of the publication that comes next. */
interface State {
  readonly at: number;
  readonly next: number;
}

export class Stream {
  readonly #segments: Segment[] = [];
  #states: State[] = [{ at: -1, next: 0 }];

  constructor(
    readonly topic: ReferenceTopic,
    readonly session: Subscriber,
  ) {}

  begin(start: number, recovered: boolean, position: string | undefined): void {
    this.#segments.push({ start, recovered, position, end: Infinity, isCut: false, excepted: new Set() });
  }

  /** Ends the subscription. Earlier publications that still wait for credit or for the 101 may never arrive. */
  end(isCut: boolean): void {
    const last = this.#segments.at(-1);
    if (!last || last.end < Infinity) return;
    const { isCredited, isAccepted } = this.session;
    last.end = this.topic.all.length;
    last.isCut = isCut || isCredited || !isAccepted;
  }

  /** Called when the client may miss everything that has not arrived yet. */
  cut(): void {
    for (const segment of this.#segments) segment.isCut = true;
  }

  except({ index }: Published): void {
    const last = this.#segments.at(-1);
    if (last?.end === Infinity) last.excepted.add(index);
  }

  /** Whether everything has arrived. */
  get isComplete(): boolean {
    const at = this.#segments.length - 1;
    // A cut subscription may never begin: a close drops everything that waits for a slow client, including places.
    const isEnd = (state: State) => state.at === at || this.#segments.slice(state.at + 1).every(({ isCut }) => isCut);
    return this.#states.some((state) => this.#behind(state).some((one) => isEnd(one) && this.#isOver(one)));
  }

  /** @returns false if this may not come now */
  receive(received: Received): boolean {
    const former = this.#states;
    const states = former.flatMap((state) =>
      received.type === "place" ? this.#place(state, received) : this.#publication(state, received.published),
    );
    this.#states = states.filter(
      ({ at, next }, index) => states.findIndex((one) => one.at === at && one.next === next) === index,
    );
    return states.length > 0;
  }

  toString(): string {
    return JSON.stringify({
      topic: this.topic.name,
      all: this.topic.all.length,
      segments: this.#segments.map(({ excepted, ...rest }) => ({
        ...rest,
        end: `${rest.end}`,
        excepted: [...excepted],
      })),
      states: this.#states,
    });
  }

  /** The state, and later ones that no frame announces: only clients of topics get places. */
  #behind(state: State): State[] {
    const next = this.#segments[state.at + 1];
    const goesOn = next && this.session.opening.kind !== "topics" && this.#isOver(state);
    return goesOn ? [state, ...this.#behind({ at: state.at + 1, next: next.start })] : [state];
  }

  #publication(state: State, { index }: Published): State[] {
    return this.#behind(state).flatMap(({ at, next }) => {
      const segment = this.#segments[at];
      return segment && index < segment.end && index === this.#skip(segment, next) ? [{ at, next: index + 1 }] : [];
    });
  }

  #place(state: State, { recovered, position }: Extract<Received, { type: "place" }>): State[] {
    const { topic, session } = this;
    const states: State[] = [];
    const next = this.#segments[state.at + 1];
    const begins = next && next.recovered === recovered && next.position === position;
    if (begins && this.#isOver(state)) states.push({ at: state.at + 1, next: next.start });
    // A slow client may be told that the next publications are gone.
    const segment = this.#segments[state.at];
    const [epoch, offset] = position?.split(".") ?? [];
    const start = topic.epochs.get(epoch ?? "");
    if (recovered || !segment || start === undefined || !session.isCredited) return states;
    const missed = topic.all[this.#skip(segment, state.next)];
    const to = start + Number(offset);
    const isGone = !missed || topic.isGone(missed);
    if (isGone && to >= state.next && to <= topic.all.length) states.push({ at: state.at, next: to });
    return states;
  }

  /** Whether the next publication is gone. The session of a client that can't be told so ends. */
  get isLost(): boolean {
    const states = this.#states.flatMap((state) => this.#behind(state));
    return states.some(({ at, next }) => {
      const segment = this.#segments[at];
      const missed = segment && this.topic.all[this.#skip(segment, next)];
      return missed !== undefined && this.topic.isGone(missed);
    });
  }

  #isOver({ at, next }: State): boolean {
    const segment = this.#segments[at];
    if (!segment) return true;
    const end = Math.min(segment.end, this.topic.all.length);
    return segment.isCut || this.#skip(segment, next) >= end;
  }

  #skip({ excepted }: Segment, next: number): number {
    let index = next;
    while (excepted.has(index)) index++;
    return index;
  }
}
