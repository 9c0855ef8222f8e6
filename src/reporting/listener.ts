// The container's `onEvent`: told where something happens, and never waited for.
import type { ContainerEvent, EventListener } from "../api/container-event.ts";
import { report, type Place } from "./log.ts";

/** Tells a listener, if there is one. What it throws, or its promise rejects with, stops nothing: the log is told. */
export function tellOf(onEvent: EventListener | undefined, event: ContainerEvent, env: unknown, place?: Place): void {
  if (!onEvent) return;
  const tell = async () => onEvent(event as ContainerEvent<never>, env as never);
  tell().catch((error: unknown) => report("onEvent failed", error, place));
}
