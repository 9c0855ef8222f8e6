// The plain reference of one object with several sessions: what runs, what clients receive, how sessions end. All at once,
// with nothing of the platform; only a callback or a payload that is held goes on later.
import type { Act, Opening, PayloadKind, Script, Variant } from "./script.ts";

/** After so much of silence the sessions close. */
export const TIMEOUT = 600_000;

export interface SessionValue {
  n: number;
  list: string[];
}

type Event =
  | { type: "open" | "text" | "binary"; script: Script }
  | { type: "error"; error: string }
  | { type: "close"; code: number; phrase: string };

/** What is put on a channel. */
type Value = Extract<Act, { payload: PayloadKind }>;

/** A message that its client has no credit for. */
interface Waiting {
  /** Absent for a sliding channel, which waits before it takes one. */
  text?: string;
  size: number;
  told: (result: string) => void;
}

export const show = (object: SessionValue | undefined): string =>
  object ? JSON.stringify({ n: object.n, list: object.list }) : "undefined";

const copy = (object: SessionValue | undefined) => structuredClone(object);

export class ReferenceSession {
  readonly log: string[] = [];
  readonly received: string[] = [];
  readonly results: Record<string, string> = {};
  closed: { code: number; reason: string } | undefined;
  isOpen = true;
  isAccepted = false;
  /** The callback under way waits here. */
  held: string | undefined;
  /** The payload that sends itself. */
  slow: Value | undefined;
  /** What was sent and the client has not acknowledged: how many messages, and their size. */
  untaken = { count: 0, size: 0 };
  /** How many it has acknowledged. */
  taken = 0;
  readonly waiting: Waiting[] = [];
  /** What the channel has taken out of its buffer waits for the client, or the channel does before it takes one. */
  #awaited: Value | "one" | undefined;
  active: number;
  #object: SessionValue | undefined;
  #kept: SessionValue | undefined;
  #isSpoilt = false;
  #queue: Event[] = [];
  #running: { event: Event; acts: Act[] } | undefined;
  #isBusy = false;
  #isOver = false;
  #reason: { code: number; reason: string } | undefined;
  #unsent: string[] = [];
  #buffer: Value[] = [];
  #puts: Value[] = [];
  #isChannelClosed = false;

  constructor(
    readonly opening: Opening,
    readonly reference: Reference,
  ) {
    this.active = reference.now;
    this.#isBusy = true;
    this.#object = { n: 0, list: [] };
    this.log.push("open");
    this.#run({ type: "open", script: opening }, opening.acts);
  }

  get name(): string {
    return this.opening.name;
  }

  /** How many events wait for the callback under way. */
  get queued(): number {
    return this.#queue.length;
  }

  /** A callback is under way. */
  get isRunning(): boolean {
    return this.held !== undefined;
  }

  get isIdle(): boolean {
    return this.held === undefined && this.slow === undefined && this.waiting.length === 0;
  }

  receive(type: "text" | "binary", script: Script): void {
    this.active = this.reference.now;
    if (this.#isOver) return;
    this.#queue.push({ type, script });
    this.#drain();
  }

  close(code: number, phrase = ""): void {
    if (this.isOpen) this.#end(code, phrase);
  }

  lost(code: number, phrase: string, error?: string): void {
    this.#shut(code === 1006 ? 1005 : code, phrase);
    if (this.#isOver) return;
    this.#isOver = true;
    if (error !== undefined) this.#queue.push({ type: "error", error });
    this.#queue.push({ type: "close", code, phrase });
    this.#drain();
  }

  /** The object is gone, and with it everything but what was kept. */
  crash(): void {
    this.#isOver = true;
    if (!this.isOpen) return;
    this.isOpen = false;
    this.closed = { code: 1006, reason: "" };
    if (this.reference.variant.tracks) this.#closed({ code: 1006, phrase: "" }, this.#kept);
  }

  release(): void {
    const { event, acts } = this.#running!;
    this.held = undefined;
    this.#run(event, acts);
  }

  /** The payload that sends itself does so. */
  deliver(): void {
    const value = this.slow!;
    this.slow = undefined;
    if (value.payload === "failing") this.#sent(value, value.id);
    else this.#await(value, false);
  }

  /** Sends a text, at once or when the client has taken what was sent before, and tells how that went. */
  send(text: string, told: (result: string) => void, isPatient = false): void {
    if (!this.isOpen) return told("SessionClosedError");
    const size = text.length + 32;
    if (this.waiting.length === 0 && this.#hasCredit(size)) {
      this.#transfer(text, size);
      return told("success");
    }
    const { maxBufferedAmount } = this.reference.variant.flowControl;
    // A channel that waits counts as an empty message.
    const amount = this.waiting.reduce((sum, one) => sum + one.size, size);
    if (!isPatient && amount > maxBufferedAmount) return told("BufferFullError");
    this.waiting.push({ text, size, told });
  }

  /** The client acknowledges all that it has. */
  take(): void {
    this.taken += this.untaken.count;
    this.untaken = { count: 0, size: 0 };
    const sent = [];
    for (let next; (next = this.waiting[0]) && this.#hasCredit(next.size);) {
      this.waiting.shift();
      if (next.text !== undefined) this.#transfer(next.text, next.size);
      sent.push(next);
    }
    for (const { told } of sent) told("success");
  }

  #hasCredit(size: number): boolean {
    const { untaken, opening, reference } = this;
    return (
      !opening.isFlowControlled || untaken.size === 0 || untaken.size + size <= reference.variant.flowControl.window
    );
  }

  #transfer(text: string, size: number): void {
    this.active = this.reference.now;
    this.untaken = { count: this.untaken.count + 1, size: this.untaken.size + size };
    (this.isAccepted ? this.received : this.#unsent).push(text);
  }

  /** The channel goes on with what waits behind. */
  #sent(value: Value, result: string): void {
    this.#respond(value, result);
    this.#goOn();
  }

  #goOn(): void {
    for (let next; (next = this.#poll());) {
      this.#transmit(next);
      if (this.#isSending) return;
    }
    if (this.#isChannelClosed) this.close(1000);
  }

  #await(value: Value, isPatient: boolean): void {
    this.#awaited = value;
    this.send(
      value.id,
      (result) => {
        // The end of the session has told it already.
        if (this.#awaited !== value) return;
        this.#awaited = undefined;
        this.#sent(value, result);
      },
      isPatient,
    );
  }

  get #isSending(): boolean {
    return this.slow !== undefined || this.#awaited !== undefined;
  }

  touched(): void {
    this.#object!.n += 10;
    this.#kept = copy(this.#object);
  }

  /** Does one step; false if the callback is held by it. */
  act(act: Act): boolean {
    const object = this.#object!;
    if (act.do === "count") object.n++;
    if (act.do === "list") object.list.push(act.id);
    if (act.do === "spoil") this.#isSpoilt = this.reference.variant.hibernates;
    if (act.do === "replace") this.#replace({ n: object.n + 100, list: [] });
    if (act.do === "throw") throw new Error(act.id);
    if (act.do === "finish") this.#finish();
    if (act.do === "close") this.close(act.code, act.phrase);
    if (act.do === "touch") this.reference.sessions.find(({ name }) => name === act.other)!.touched();
    if (act.do === "put" || act.do === "tuple") this.#put(act);
    if (act.do === "offer") this.results[`${act.id} taken`] = String(this.#offer(act));
    if (act.do === "remote") {
      if (act.payload === "bad") this.results[act.id] = "PayloadError";
      else this.send(act.id, (result) => (this.results[act.id] = result));
    }
    return act.do !== "hold";
  }

  #replace(object: SessionValue): void {
    this.#object = object;
    this.#isSpoilt = false;
    this.#kept = copy(object);
  }

  #drain(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    for (let event; !this.held && (event = this.#queue.shift());) this.#begin(event);
    this.#isBusy = this.held !== undefined;
  }

  #begin(event: Event): void {
    if (event.type === "error") return this.#failed(event.error);
    if (event.type !== "close") {
      this.log.push(`${event.type} ${event.script.id} ${show(this.#object)}`);
      return this.#run(event, event.script.acts);
    }
    this.#closed(event, this.#object);
  }

  #closed({ code, phrase }: { code: number; phrase: string }, object: SessionValue | undefined): void {
    this.log.push(`close ${code} ${phrase} ${show(object)}`);
    this.results.farewell = "SessionClosedError";
  }

  /** Runs a callback, or what is left of it. */
  #run(event: Event, acts: Act[]): void {
    let failure: string | undefined;
    try {
      for (const [index, act] of acts.entries()) {
        if (this.act(act)) continue;
        this.held = act.id;
        this.#running = { event, acts: acts.slice(index + 1) };
        return;
      }
    } catch (error) {
      failure = (error as Error).message;
    }
    this.#running = undefined;
    if (event.type === "open") return this.#opened(failure);
    if (this.#isSpoilt) {
      this.#isSpoilt = false;
      this.#object = copy(this.#kept);
      failure ??= "SessionObjectError";
    } else this.#kept = copy(this.#object);
    if (failure !== undefined) this.#failed(failure);
    // It may have been held: what waits goes on.
    this.#isBusy = false;
    this.#drain();
  }

  #opened(thrown: string | undefined): void {
    const failure = thrown ?? (this.#isSpoilt ? "SessionObjectError" : undefined);
    this.#isSpoilt = false;
    if (failure !== undefined) {
      this.#object = undefined;
      // It may have been closed by onOpen itself.
      const wasOpen = this.isOpen;
      this.#failed(failure);
      if (wasOpen) this.#end(1011, "");
    }
    this.#kept = copy(this.#object);
    this.isAccepted = true;
    this.active = this.reference.now;
    this.received.push(...this.#unsent);
    this.closed = this.#reason;
    this.#isBusy = false;
    this.#drain();
  }

  #failed(error: string): void {
    if (this.reference.variant.hasOnError) this.log.push(`error ${error} ${show(this.#object)}`);
    else this.close(1011);
  }

  #end(code: number, phrase: string): void {
    this.#shut(code, phrase);
    this.#isOver = true;
    this.#queue = [{ type: "close", code, phrase }];
    this.#drain();
  }

  #shut(code: number, reason: string): void {
    this.isOpen = false;
    if (this.isAccepted) this.closed ??= { code, reason };
    else this.#reason = { code, reason };
    this.#isChannelClosed = true;
    const sending = this.slow ?? this.#awaited;
    this.slow = undefined;
    this.#awaited = undefined;
    if (sending && sending !== "one") this.#respond(sending, "SessionClosedError");
    for (const { told } of this.waiting.splice(0)) told("SessionClosedError");
    for (const value of this.#puts) this.#settle(value, false);
    for (const value of [...this.#buffer, ...this.#puts]) this.#respond(value, "SessionClosedError");
    this.#buffer = [];
    this.#puts = [];
  }

  #finish(): void {
    if (this.#isChannelClosed) return;
    this.#isChannelClosed = true;
    if (!this.#isSending) this.close(1000);
  }

  #put(act: Value): void {
    if (this.#offer(act)) this.#settle(act, true);
    else if (this.#isChannelClosed) this.#settle(act, false);
    else this.#puts.push(act);
  }

  #offer(value: Value): boolean {
    if (this.#isChannelClosed) {
      this.#respond(value, "SessionClosedError");
      return false;
    }
    const { kind, size } = this.reference.variant.buffer;
    if (!this.#isSending && (kind !== "sliding" || (this.waiting.length === 0 && this.#hasCredit(32)))) {
      this.#transmit(value);
      return true;
    }
    if (!this.#isSending) {
      this.#awaited = "one";
      const told = () => {
        if (this.#awaited !== "one") return;
        this.#awaited = undefined;
        this.#goOn();
      };
      this.waiting.push({ size: 32, told });
    }
    if (kind === "fixed" && this.#buffer.length === size) return false;
    this.#buffer.push(value);
    if (this.#buffer.length > size) {
      const dropped = kind === "sliding" ? this.#buffer.shift()! : this.#buffer.pop()!;
      this.#respond(dropped, "MessageDroppedError");
    }
    return true;
  }

  #poll(): Value | undefined {
    const put = this.#puts.shift();
    if (put) {
      this.#buffer.push(put);
      this.#settle(put, true);
    }
    return this.#buffer.shift();
  }

  #transmit(value: Value): void {
    if (value.payload === "slow" || value.payload === "failing") this.slow = value;
    else if (value.payload === "bad") this.#respond(value, "PayloadError");
    else if (this.waiting.length > 0 || !this.#hasCredit(value.id.length + 32)) this.#await(value, true);
    else this.send(value.id, (result) => this.#respond(value, result));
  }

  #settle({ id }: Value, taken: boolean): void {
    this.results[`${id} taken`] = String(taken);
  }

  #respond(value: Value, result: string): void {
    if (value.do === "tuple") this.results[value.id] = result;
  }
}

export class Reference {
  readonly sessions: ReferenceSession[] = [];
  now = 0;

  constructor(readonly variant: Variant) {}

  open(opening: Opening): void {
    this.sessions.push(new ReferenceSession(opening, this));
  }

  get openSessions(): ReferenceSession[] {
    return this.sessions.filter(({ isOpen, isAccepted }) => isOpen && isAccepted);
  }

  broadcast(text: string, except?: string): number {
    const reached = this.openSessions.filter(({ name }) => name !== except);
    let missed = 0;
    for (const session of reached) session.send(text, (result) => (missed += Number(result === "BufferFullError")));
    return reached.length - missed;
  }

  closeAll(code: number, phrase: string): void {
    for (const session of this.openSessions) session.close(code, phrase);
  }

  /** Time passes, and at its end the alarm comes. */
  pass(milliseconds: number): void {
    this.now += milliseconds;
    for (const session of this.openSessions) if (this.now - session.active > TIMEOUT) session.close(1001);
  }

  crash(): void {
    for (const session of this.sessions) session.crash();
  }
}
