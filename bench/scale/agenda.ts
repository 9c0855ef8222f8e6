// The events of a simulation, earliest first. Events of the same time keep the order in which they were put.

type Happening = () => void;

interface Entry {
  readonly at: number;
  readonly turn: number;
  readonly happening: Happening;
}

const isBefore = (one: Entry, other: Entry) => one.at < other.at || (one.at === other.at && one.turn < other.turn);

/** Times are microseconds since the simulation began. */
export class Agenda {
  /** A binary heap. */
  readonly #entries: Entry[] = [];
  #turn = 0;
  #now = 0;

  get now(): number {
    return this.#now;
  }

  put(at: number, happening: Happening): void {
    const entries = this.#entries;
    const entry = { at: Math.max(at, this.#now), turn: this.#turn++, happening };
    let place = entries.length;
    entries.push(entry);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isBefore(entry, entries[parent]!)) break;
      entries[place] = entries[parent]!;
      place = parent;
    }
    entries[place] = entry;
  }

  /** Runs until no event is left. */
  run(): void {
    for (let entry = this.#take(); entry; entry = this.#take()) {
      this.#now = entry.at;
      entry.happening();
    }
  }

  #take(): Entry | undefined {
    const entries = this.#entries;
    const [first] = entries;
    const last = entries.pop();
    if (!last || entries.length === 0) return first;
    let place = 0;
    for (let child = 1; child < entries.length; child = 2 * place + 1) {
      if (child + 1 < entries.length && isBefore(entries[child + 1]!, entries[child]!)) child++;
      if (!isBefore(entries[child]!, last)) break;
      entries[place] = entries[child]!;
      place = child;
    }
    entries[place] = last;
    return first;
  }
}
