// The plain reference of one object with several sessions: which callbacks run, what clients receive, how sessions end.
// It uses nothing of the platform and does everything at once; only a held callback or payload continues later.
import type { Act, Opening, PayloadKind, Script, Variant } from "./script.ts";

/** Sessions close after this many milliseconds of silence. */
export const TIMEOUT = 600_000;

export interface SessionValue {
  n: number;
  list: string[];
}

type Event =
  | { type: "open" | "text" | "binary"; script: Script }
  | { type: "error"; error: string }
  | { type: "close"; code: number; phrase: string };

/** An act that puts a payload on a channel. */
type Value = Extract<Act, { payload: PayloadKind }>;

/** A message that is queued because its client has no credit for it. */
interface Waiting {
  /** Absent for a sliding channel, which waits for credit before it takes a message. */
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
  /** The act at which the running callback is held. */
  held: string | undefined;
  /** The payload that sends itself and is not done. */
  slow: Value | undefined;
  /** The number and the size of the messages that were sent and not yet acknowledged. */
  untaken = { count: 0, size: 0 };
  /** The number of messages that the client has acknowledged. */
  taken = 0;
  readonly waiting: Waiting[] = [];
  /**
   * The value that the channel took out of its buffer, while it waits for credit.
   * "one" if the channel waits for credit before it takes a value.
   */
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

  /** The number of events that are queued behind the running callback. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Whether a callback is running. */
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

  /** The object crashes: everything is lost that was not saved. */
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

  /** Lets the payload that sends itself do so. */
  deliver(): void {
    const value = this.slow!;
    this.slow = undefined;
    if (value.payload === "failing") this.#sent(value, value.id);
    else this.#await(value, false);
  }

  /** Sends a text, at once or when the client has acknowledged earlier ones, and reports the result. */
  send(text: string, told: (result: string) => void, isPatient = false): void {
    if (!this.isOpen) return told("SessionClosedError");
    const size = text.length + 32;
    if (this.waiting.length === 0 && this.#hasCredit(size)) {
      this.#transfer(text, size);
      return told("success");
    }
    const { maxBufferedAmount } = this.reference.variant.flowControl;
    // A waiting channel counts as an empty message.
    const amount = this.waiting.reduce((sum, one) => sum + one.size, size);
    if (!isPatient && amount > maxBufferedAmount) return told("BufferFullError");
    this.waiting.push({ text, size, told });
  }

  /** The client acknowledges everything that it has. */
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

  /** The channel continues with the values queued behind this one. */
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
        // The end of the session has already given the result.
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

  /** Does one act. Returns false if the act holds the callback. */
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

  /** Runs a callback, or the rest of it. */
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
    // The callback may have been held: continue with the queued events.
    this.#isBusy = false;
    this.#drain();
  }

  #opened(thrown: string | undefined): void {
    const failure = thrown ?? (this.#isSpoilt ? "SessionObjectError" : undefined);
    this.#isSpoilt = false;
    if (failure !== undefined) {
      this.#object = undefined;
      // onOpen itself may have closed the session.
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

  /** Lets time pass, and rings the alarm at the end. */
  pass(milliseconds: number): void {
    this.now += milliseconds;
    for (const session of this.openSessions) if (this.now - session.active > TIMEOUT) session.close(1001);
  }

  crash(): void {
    for (const session of this.sessions) session.crash();
  }
}
