// What one client may get of one topic. Where more than one thing may come, as for a slow client, all are followed.
import type { Published, ReferenceTopic } from "./topics-history.ts";
import type { Kind } from "./topics-script.ts";

/** What a client got. */
export type Received =
  | { type: "publication"; published: Published }
  | { type: "place"; recovered: boolean; position: string | undefined };

/** Whose client it is. */
interface Subscriber {
  readonly opening: { readonly kind: Kind };
  readonly isAccepted: boolean;
  /** Publications wait for its client. */
  readonly isCredited: boolean;
}

/** A subscription. */
interface Segment {
  readonly start: number;
  readonly recovered: boolean;
  readonly position: string | undefined;
  /** Behind the last that it gets. */
  end: number;
  /** Not all that it gets need come. */
  isCut: boolean;
  readonly excepted: Set<number>;
}

/** In which subscription the client is, and which publication comes next. */
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

  /** What was published before is the session's, unless it is behind: then nothing more comes. */
  end(isCut: boolean): void {
    const last = this.#segments.at(-1);
    if (!last || last.end < Infinity) return;
    const { isCredited, isAccepted } = this.session;
    last.end = this.topic.all.length;
    last.isCut = isCut || isCredited || !isAccepted;
  }

  /** Nothing more need come. */
  cut(): void {
    for (const segment of this.#segments) segment.isCut = true;
  }

  except({ index }: Published): void {
    const last = this.#segments.at(-1);
    if (last?.end === Infinity) last.excepted.add(index);
  }

  /** All has come. */
  get isComplete(): boolean {
    const at = this.#segments.length - 1;
    // What is cut off need not have begun: a close drops what waits for a slow client, its places too.
    const isEnd = (state: State) => state.at === at || this.#segments.slice(state.at + 1).every(({ isCut }) => isCut);
    return this.#states.some((state) => this.#behind(state).some((one) => isEnd(one) && this.#isOver(one)));
  }

  /** @returns false for what may not come now */
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

  /** A state, and those that follow without a frame that tells: other clients are told of no place. */
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
    // A slow client is told that what comes next for it is gone.
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

  /** What comes next for it is gone, which a client that isn't told ends by. */
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
