// The stub of a root: its `broadcast`, `openSessionCount` and `closeAll` apply to all sessions of the path, not to the
// root's own.
import { reasonFor } from "../api/close-reason.ts";
import type { PublishOptions } from "../api/topics.ts";
import { FORM } from "../hibernation/form.ts";
import { checkData } from "../sending/data.ts";
import { idsOf } from "../session/excepted.ts";

interface Broadcast extends Pick<PublishOptions, "except"> {
  readonly tag?: string;
}

const METHODS: Record<string, (...given: never[]) => readonly [kind: string, ...unknown[]]> = {
  broadcast(payload: unknown, { except, tag }: Broadcast = {}) {
    checkData(payload);
    return ["broadcast", payload, except && [...idsOf(except)], tag];
  },
  openSessionCount: (tag?: string) => ["sessions", tag],
  closeAll(reason?: Parameters<typeof reasonFor>[0]) {
    const { closeCode, reasonPhrase } = reasonFor(reason);
    return ["close", closeCode, reasonPhrase];
  },
};

/** Defined as own properties, because the platform doesn't take a proxy for a stub. */
export function ofAll(stub: DurableObjectStub): DurableObjectStub {
  const root = stub as unknown as { socle(told: readonly unknown[], form: number): Promise<number> };
  for (const [name, method] of Object.entries(METHODS)) {
    Object.defineProperty(stub, name, {
      value: async (...given: never[]) => root.socle(["all", method(...given)], FORM),
    });
  }
  return stub;
}
