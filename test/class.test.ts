// Subclasses of Endpoint: callbacks as methods, next to storage, requests and RPC.
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";

import { connect, request } from "./support/client.ts";

it("a subclass is an endpoint map with storage: its methods are the callbacks, with the session object typed and kept", async () => {
  const ann = await connect("/room/class?name=Ann");
  const bob = await connect("/room/class?name=Bob");
  expect(await ann.ask("hi")).toBe("reached 1");
  expect(await bob.next()).toBe("Ann 1: hi");
  await evictDurableObject(env.Room.getByName("/room/class"));
  expect(await ann.ask("again")).toBe("reached 1");
  expect(await bob.next()).toBe("Ann 2: again");
});

it("R31: its RPC methods reach the sessions, also from hibernation", async () => {
  const client = await connect("/room/rpc");
  const stub = env.Room.getByName("/room/rpc");
  await evictDurableObject(stub);
  expect(await stub.announce("news")).toBe(1);
  expect(await client.next()).toBe("news");
});

it("R4: its onRequest answers what is no upgrade, at the same object", async () => {
  expect(await (await request("/room/http", { method: "PUT" })).text()).toBe("PUT /room/http");
});
