// Calls the container's `onEvent` where an event happens, and never waits for it.
import type { ContainerEvent, EventListener } from "../api/container-event.ts";
import { report, type Place } from "./log.ts";

/** Calls a listener, if there is one. An error or a rejection stops nothing and is logged. */
export function tellOf(onEvent: EventListener | undefined, event: ContainerEvent, env: unknown, place?: Place): void {
  if (!onEvent) return;
  const tell = async () => onEvent(event as ContainerEvent<never>, env as never);
  tell().catch((error: unknown) => report("onEvent failed", error, place));
}
