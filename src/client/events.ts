// The platform's events; and where it has none, as in older React Native, what a WebSocket needs of them.
import { made } from "../wire/frame.ts";

/** What calls it back. */
type Listener<E> = ((event: E) => unknown) | { handleEvent(event: E): unknown } | null;

interface ListenerOptions {
  capture?: boolean;
  once?: boolean;
  passive?: boolean;
  signal?: AbortSignal;
}

/** The platform's, whose types differ from one platform to the next. */
export interface TargetOf<Events> {
  addEventListener<Type extends keyof Events & string>(
    type: Type,
    listener: Listener<Events[Type]>,
    options?: boolean | ListenerOptions,
  ): void;
  removeEventListener<Type extends keyof Events & string>(
    type: Type,
    listener: Listener<Events[Type]>,
    options?: boolean | ListenerOptions,
  ): void;
  dispatchEvent(event: Event): boolean;
}

class PlainEvent {
  target: unknown;
  currentTarget: unknown;

  constructor(readonly type: string) {}
}

class PlainTarget {
  #listening: { type: string; listener: Listener<Event>; once: boolean | undefined }[] = [];

  addEventListener(type: string, listener: Listener<Event>, { once, signal }: ListenerOptions = {}): void {
    if (!listener || signal?.aborted) return;
    // It is called once for each event, however often it was added.
    this.removeEventListener(type, listener);
    this.#listening = [...this.#listening, { type, listener, once }];
    signal?.addEventListener("abort", () => this.removeEventListener(type, listener));
  }

  removeEventListener(type: string, listener: Listener<Event>): void {
    this.#listening = this.#listening.filter((one) => one.type !== type || one.listener !== listener);
  }

  dispatchEvent(event: Event): boolean {
    Object.assign(event, { target: this, currentTarget: this });
    // Who is added meanwhile waits for the next event, and who is removed meanwhile is not called.
    for (const one of this.#listening) {
      const { type, listener, once } = one;
      if (type !== event.type || !this.#listening.includes(one)) continue;
      if (once) this.removeEventListener(type, listener);
      report(() => (typeof listener === "function" ? listener.call(this, event) : listener!.handleEvent(event)));
    }
    return true;
  }
}

/** What is thrown goes to where the platform reports what nobody caught. */
export function report(call: () => unknown): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

// One of the two alone is of no use: a target takes the events of its own platform only.
const [Base, Target] = made(() => [Event, EventTarget] as const) ?? [PlainEvent, PlainTarget];

export { Target };

/**
 * Of the platform's class, by whose constructor wrappers make it anew; without one (Node has some only from 23 on, React
 * Native has none) like it.
 */
export function eventOf<Properties extends object>(
  type: string,
  properties = {} as Properties,
  name = "Event",
): Event & Properties {
  const Class = Reflect.get(globalThis, name) as typeof Event | undefined;
  const own = Class?.prototype instanceof Base ? made(() => new Class(type, properties)) : undefined;
  const event = own ?? new Base(type);
  for (const [key, value] of Object.entries(properties)) {
    if (!(key in event)) Object.defineProperty(event, key, { value });
  }
  return event as Event & Properties;
}

/** What a listener throws is reported, and stops nothing here: before 2026-09-15 a Worker's dispatch throws it instead. */
export const emit = (target: { dispatchEvent(event: Event): boolean }, event: Event): void =>
  report(() => target.dispatchEvent(event));
