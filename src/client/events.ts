// The platform's events. Where it has none, as in older React Native, the part of them that a WebSocket needs.
import { made } from "../wire/frame.ts";

type Listener<E> = ((event: E) => unknown) | { handleEvent(event: E): unknown } | null;

interface ListenerOptions {
  capture?: boolean;
  once?: boolean;
  passive?: boolean;
  signal?: AbortSignal;
}

/** The platform's EventTarget, whose types differ between platforms. */
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
    // A listener is called once for each event, however often it was added.
    this.removeEventListener(type, listener);
    this.#listening = [...this.#listening, { type, listener, once }];
    signal?.addEventListener("abort", () => this.removeEventListener(type, listener));
  }

  removeEventListener(type: string, listener: Listener<Event>): void {
    this.#listening = this.#listening.filter((one) => one.type !== type || one.listener !== listener);
  }

  dispatchEvent(event: Event): boolean {
    Object.assign(event, { target: this, currentTarget: this });
    // A listener that is added meanwhile waits for the next event. One that is removed meanwhile is not called.
    for (const one of this.#listening) {
      const { type, listener, once } = one;
      if (type !== event.type || !this.#listening.includes(one)) continue;
      if (once) this.removeEventListener(type, listener);
      report(() => (typeof listener === "function" ? listener.call(this, event) : listener!.handleEvent(event)));
    }
    return true;
  }
}

/** Rethrows an error where the platform reports uncaught errors. */
export function report(call: () => unknown): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

// One of the two classes alone is useless: a target accepts only its own platform's events.
const [Base, Target] = made(() => [Event, EventTarget] as const) ?? [PlainEvent, PlainTarget];

export { Target };

/**
 * Makes an event of the platform's class, whose constructor wrappers use to create it again. Without that class (Node
 * has some only from 23 on, React Native has none) it makes one like it.
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

/**
 * An error of a listener is reported and stops nothing here. Before 2026-09-15 a Worker's dispatch throws it instead.
 */
export const emit = (target: { dispatchEvent(event: Event): boolean }, event: Event): void =>
  report(() => target.dispatchEvent(event));
