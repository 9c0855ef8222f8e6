// Presence: the member list of docs/guide.md.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { connect, drop, hibernate, type Client } from "socle/testing";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { passTime, ringAtAlarm, stopClock } from "./support/alarm.ts";
import container, { Lounge, type News } from "./support/lounge.ts";

let count = 0;
let path = "";

beforeEach(() => {
  path = `/lounge/${++count}`;
  stopClock();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const stub = () => env.Lounge.getByName(path);
const sleep = () => hibernate(stub(), { timeoutMs: 50_000 });
const enter = (name: string) => connect(container, `${path}?name=${name}`, { timeoutMs: 50_000 });
const news = async (client: Client) => JSON.parse((await client.next()) as string) as News;

const came = (name: string) => ({ came: { id: expect.any(String), name } });
const left = (name: string) => ({ left: { id: expect.any(String), name } });
const here = (...names: string[]) => ({ here: names.map((name) => ({ id: expect.any(String), name })) });

/** The list that a page has after these messages. */
function listOf({ messages }: Client): string[] {
  const members = new Map<string, string>();
  for (const message of messages) {
    const one = JSON.parse(message as string) as News;
    if ("here" in one) for (const { id, name } of one.here) members.set(id, name);
    else if ("came" in one) members.set(one.came.id, one.came.name);
    else members.delete(one.left.id);
  }
  return [...members.values()].toSorted();
}

it("R6: has nobody without a name", async () => {
  await expect(connect(container, path)).rejects.toMatchObject({ response: { status: 401 } });
});

it("T11: tells who is here, who comes and who leaves, also from one hibernation to the next", async () => {
  const ann = await enter("ann");
  expect(await news(ann)).toEqual(here("ann"));
  await sleep();
  const bob = await enter("bob");
  expect(await news(bob)).toEqual(here("ann", "bob"));
  expect(await news(ann)).toEqual(came("bob"));
  await sleep();
  await ann.close(1000);
  expect(await news(bob)).toEqual(left("ann"));
  await sleep();
  const cid = await enter("cid");
  expect(await news(cid)).toEqual(here("bob", "cid"));
  expect(await news(bob)).toEqual(came("cid"));
  for (const client of [bob, cid]) expect(client.unread).toEqual([]);
});

it("T3, T11: gives all who come at once the same list, with nobody twice and nobody left out", async () => {
  const names = Array.from({ length: 30 }, (_, index) => `m${index}`).toSorted();
  const clients = await Promise.all(names.map(enter));
  const [first] = clients;
  await first!.close(1000);
  const rest = names.slice(1);
  for (const client of clients.slice(1)) {
    for (let one: News | undefined; !(one && "left" in one);) one = await news(client);
    expect(listOf(client)).toEqual(rest);
    expect(client.messages.filter((message) => (message as string).includes("here"))).toHaveLength(1);
  }
});

it("T7, T11: tells of who came while the list was on its way", async () => {
  vi.spyOn(Lounge.prototype, "join").mockImplementationOnce(async function (this: Lounge, member) {
    const joined = await this.join(member);
    await this.join({ id: "meanwhile", name: "bob" });
    return joined;
  });
  const ann = await enter("ann");
  expect(await news(ann)).toEqual(here("ann"));
  expect(await news(ann)).toEqual(came("bob"));
});

it("T11, P28: tells that a client has left which is gone without a word", async () => {
  const bob = await enter("bob");
  passTime(60_000);
  const ann = await enter("ann");
  expect(await news(ann)).toEqual(here("ann", "bob"));
  await sleep();
  // The history uses the same alarm, and has nothing to do at that time.
  while ((await stub().openSessionCount()) === 2) await ringAtAlarm(stub());
  expect(await news(ann)).toEqual(left("bob"));
  expect((await bob.closed).code).toBe(1001);
  expect(await stub().members()).toEqual(here("ann").here);
});

it("T11: tells that a client has left whose connection was lost", async () => {
  const ann = await enter("ann");
  await enter("bob");
  expect(await ann.take(2)).toHaveLength(2);
  await sleep();
  await runInDurableObject(stub(), async (lounge) => {
    const bob = [...lounge.openSessions()].find(({ sessionObject: { name } }) => name === "bob")!;
    await lounge.webSocketClose(bob.webSocket, 1006, "");
  });
  expect(await news(ann)).toEqual(left("bob"));
});

it("T11, R26: has nobody on the list who was lost in a crash", async () => {
  const ann = await enter("ann");
  await enter("bob");
  expect(await ann.take(2)).toHaveLength(2);
  await drop(stub(), { timeoutMs: 50_000 });
  const cid = await enter("cid");
  expect(await news(cid)).toEqual(here("cid"));
  expect(cid.unread).toEqual([]);
});

it("docs/guide.md shows the code that these tests run", async () => {
  const [page, file] = await Promise.all(
    ["../docs/guide.md?raw", "./support/lounge.ts?raw"].map(
      async (name) => ((await import(name)) as { default: string }).default,
    ),
  );
  const shown = [...page!.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block!);
  expect(shown.find((block) => block.includes("class Lounge"))).toBe(file!.replace(/^.*\n/, ""));
});
