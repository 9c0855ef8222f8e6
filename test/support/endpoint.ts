// Endpoints that are made for one test each.
import { env } from "cloudflare:workers";
import { addEndpoint, type CloseReason, type Session, type WsEndpointMap } from "socle";
import { it, vi } from "vitest";

import { connect, hibernate, type Client } from "./client.ts";
import { container } from "./worker.ts";

let count = 0;

/** Options that every endpoint gets. With `shards`, the sessions are in the first shard, and `stub` is that shard. */
export const besides: Pick<WsEndpointMap, "shards"> = {};

/** Runs all tests of a file once more, with the sessions in a shard. */
export const divide = (): void => void (besides.shards = 1);

/** A path that no other test uses. */
export const freshPath = (suffix = ""): string => `/test-${++count}${suffix}`;

/** Records what ran, in order. */
export class Log {
  readonly entries: unknown[] = [];

  add = (...entry: unknown[]): void => void this.entries.push(entry.length === 1 ? entry[0] : entry);

  /** Waits until the log has this entry. */
  async has(entry: unknown): Promise<void> {
    const wanted = JSON.stringify(entry);
    await vi.waitUntil(() => this.entries.some((one) => JSON.stringify(one) === wanted), {
      timeout: 30_000,
      interval: 5,
    });
  }
}

/** A test that does not hold under `shards`, where the root has the histories: see test/shards.test.ts for those. */
export const alone = (name: string, test: () => Promise<void> | void): void => {
  // oxlint-disable-next-line vitest/no-conditional-tests, vitest/expect-expect, vitest/valid-title -- the test has all of it
  if (!besides.shards) it(name, test);
};

export class Served {
  constructor(readonly path: string) {}

  get stub() {
    return env.Endpoints.getByName(this.path + (besides.shards ? "#0" : ""));
  }

  /** The object that keeps the topics. */
  get root() {
    return env.Endpoints.getByName(this.path);
  }

  connect(query = "", headers?: Record<string, string>): Promise<Client> {
    return connect(this.path + query, headers);
  }

  /** Makes the object hibernate: it loses its memory, and its sockets stay open. */
  hibernate(): Promise<void> {
    return hibernate(this.stub);
  }
}

/** Registers a map of callbacks at a path of its own. */
export function serve<T>(map: WsEndpointMap<Cloudflare.Env, T>): Served {
  const path = freshPath();
  addEndpoint(container, path, { ...besides, ...map });
  return new Served(path);
}

/** The two ways in which an object can hold its sockets. Tests that are not about hibernation run in both. */
export const hibernating = { hibernate: true, serve };
export const standard = {
  hibernate: false,
  serve: <T>(map: WsEndpointMap<Cloudflare.Env, T>) => serve({ ...map, hibernate: false }),
};
export const modes = [hibernating, standard];

/** An `onClose` and an `onError` that log their arguments. */
export const recorded = (log: Log) => ({
  onClose: (object: unknown, _session: Session, { closeCode, reasonPhrase }: CloseReason) =>
    log.add("close", object, closeCode, reasonPhrase),
  onError: (object: unknown, _session: Session, error: Error) => log.add("error", object, error.message),
});
