// Endpoints made for one test.
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { addEndpoint, type WsEndpointMap } from "socle";

import { type Client, connect } from "./client.ts";
import { container } from "./worker.ts";

let count = 0;

/** A path that no other test uses. */
export const freshPath = (suffix = ""): string => `/test-${++count}${suffix}`;

export class Served {
  constructor(readonly path: string) {}

  get stub() {
    return env.Endpoints.getByName(this.path);
  }

  connect(query = "", headers?: Record<string, string>): Promise<Client> {
    return connect(this.path + query, headers);
  }

  /** The object hibernates: what is in memory is gone, its sockets stay. */
  hibernate(): Promise<void> {
    return evictDurableObject(this.stub);
  }
}

/** Registers a map under a path of its own. */
export function serve<T>(map: WsEndpointMap<Cloudflare.Env, T>): Served {
  const path = freshPath();
  addEndpoint(container, path, map);
  return new Served(path);
}
