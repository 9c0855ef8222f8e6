// Endpoints made for one test.
import { env } from "cloudflare:workers";
import { addEndpoint, type CloseReason, type Session, type WsEndpointMap } from "socle";
import { it, vi } from "vitest";

import { connect, hibernate, type Client } from "./client.ts";
import { container } from "./worker.ts";

let count = 0;

/** What all endpoints have beside their own: with `shards` their sessions are in the first, and `stub` is that. */
export const besides: Pick<WsEndpointMap, "shards"> = {};

/** Has all tests of a file run once more where the sessions are in a shard. */
export const divide = (): void => void (besides.shards = 1);

/** A path that no other test uses. */
export const freshPath = (suffix = ""): string => `/test-${++count}${suffix}`;

/** What ran, in order. */
export class Log {
  readonly entries: unknown[] = [];

  add = (...entry: unknown[]): void => void this.entries.push(entry.length === 1 ? entry[0] : entry);

  /** Waits until something is in the log. */
  async has(entry: unknown): Promise<void> {
    const wanted = JSON.stringify(entry);
    await vi.waitUntil(() => this.entries.some((one) => JSON.stringify(one) === wanted), {
      timeout: 30_000,
      interval: 5,
    });
  }
}

/** A test of what only one object does, or does otherwise: under `shards` it is the root that has the histories, and test/shards.test.ts that shows it. */
export const alone = (name: string, test: () => Promise<void> | void): void => {
  // oxlint-disable-next-line vitest/no-conditional-tests, vitest/expect-expect, vitest/valid-title -- the test has all of it
  if (!besides.shards) it(name, test);
};

export class Served {
  constructor(readonly path: string) {}

  get stub() {
    return env.Endpoints.getByName(this.path + (besides.shards ? "#0" : ""));
  }

  /** The object that has the topics. */
  get root() {
    return env.Endpoints.getByName(this.path);
  }

  connect(query = "", headers?: Record<string, string>): Promise<Client> {
    return connect(this.path + query, headers);
  }

  /** The object hibernates: what is in memory is gone, its sockets stay. */
  hibernate(): Promise<void> {
    return hibernate(this.stub);
  }
}

/** Registers a map under a path of its own. */
export function serve<T>(map: WsEndpointMap<Cloudflare.Env, T>): Served {
  const path = freshPath();
  addEndpoint(container, path, { ...besides, ...map });
  return new Served(path);
}

/** The two ways in which an object can hold its sockets. What is not about hibernation is shown in both. */
export const hibernating = { hibernate: true, serve };
export const standard = {
  hibernate: false,
  serve: <T>(map: WsEndpointMap<Cloudflare.Env, T>) => serve({ ...map, hibernate: false }),
};
export const modes = [hibernating, standard];

/** `onClose` and `onError` that write down what they were given. */
export const recorded = (log: Log) => ({
  onClose: (object: unknown, _session: Session, { closeCode, reasonPhrase }: CloseReason) =>
    log.add("close", object, closeCode, reasonPhrase),
  onError: (object: unknown, _session: Session, error: Error) => log.add("error", object, error.message),
});
