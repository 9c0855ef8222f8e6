// The shard in which a session of a path opens, and the names by which the object knows itself.
import { createExecutionContext, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { addEndpoint, DeploymentError, Endpoint, ServerContainer, type ContainerEvent, type Session } from "socle";
import { connect, drop, hibernate, redeploy, type Client } from "socle/testing";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { define } from "../src/endpoint/definition.ts";
import type { SessionFacts } from "../src/hibernation/facts.ts";
import { formerOf, obstacle } from "../src/options/version.ts";
import { freshPath } from "./support/endpoint.ts";
import { Crowd, listener, watched } from "./support/worker.ts";

const timeoutMs = 50_000;
const silent = listener.onEvent;

let events: ContainerEvent[] = [];
let logged: MockInstance<typeof console.error>;

beforeEach(() => {
  events = [];
  listener.onEvent = (event) => void events.push(event);
  logged = vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  listener.onEvent = silent;
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const lastLogged = () => (logged.mock.lastCall![1] as Error).message;
const refusals = () => events.flatMap((event) => (event.type === "refusal" ? [event.status] : []));
const upgrading = (path: string, headers: Record<string, string> = {}) =>
  new Request(`https://socle.test${path}`, { headers: { Upgrade: "websocket", ...headers } });
const fetch = (request: Request, bindings = env) => watched.fetch(request, bindings, createExecutionContext());
const open = (path: string, bindings = env): Promise<Client> =>
  connect({ fetch: (request) => fetch(request, bindings) }, path, { timeoutMs });
const statusOf = async (path: string) => (await fetch(upgrading(path))).status;

/** Sessions that report their object. */
const located = {
  onOpen: (session: Session) => void session.asyncRemote.sendText(session.ctx.id.name!),
  onText: (_: unknown, text: string, session: Session) => session.asyncRemote.sendText(text),
};

/** Registers an endpoint at a path of its own. */
function serve(options: object, suffix = ""): string {
  const path = freshPath(suffix);
  watched.addEndpoint(path as `/${string}`, { ...located, ...options });
  return path;
}

/** The number of the shard in which a session has opened. */
async function shardOf(client: Client): Promise<number> {
  const [, shard] = /#(\d+)$/.exec((await client.next()) as string)!;
  return Number(shard);
}

const openShard = async (path: string, bindings = env) => shardOf(await open(path, bindings));

interface Told {
  guess: number;
  sessions?: number;
}

/**
 * Bindings whose objects log the requests that they get.
 *
 * @param answer replaces the answer of the object
 */
function recording(answer?: (shard: number, told: Told) => Response) {
  const asked: { name: string; jurisdiction: string | undefined; hint: string | undefined; told: Told | undefined }[] =
    [];
  const of = (jurisdiction?: string): unknown => ({
    idFromName: exports.Watched.idFromName.bind(exports.Watched),
    jurisdiction: of,
    getByName: (name: string, options?: { locationHint?: string }) => ({
      fetch(request: Request) {
        const { place } = (request.cf as { socle?: { place?: Told } } | undefined)?.socle ?? {};
        asked.push({ name, jurisdiction, hint: options?.locationHint, told: place });
        const [, shard] = /#(\d+)$/.exec(name) ?? [];
        return answer ? Promise.resolve(answer(Number(shard), place!)) : exports.Watched.getByName(name).fetch(request);
      },
    }),
  });
  return [asked, { Watched: of() } as unknown as Cloudflare.Env] as const;
}

const taken = () => new Response("taken");
const full = (hint: number) => new Response("full", { status: 503, headers: { "Socle-Full": String(hint) } });

describe("what may be given", () => {
  const add = (options: object) => () => addEndpoint(new ServerContainer(), "/a", options);

  it.each([0, 65, 1.5, "8", true, [], {}, { max: 0 }, { max: 65 }, { sessions: 5 }])(
    "S1: shards %j is refused",
    (shards) => {
      expect(add({ shards })).toThrow(
        /The endpoint at "\/a" has an invalid shards: it must be a whole number from 1 to 64/,
      );
    },
  );

  it.each([
    { max: 2, sessions: 0 },
    { max: 2, sessions: 32_769 },
    { max: 2, sessions: "5" },
  ])("S1: shards %j is refused", (shards) => {
    expect(add({ shards })).toThrow(
      'The shards of the endpoint at "/a" has an invalid sessions: it must be a whole number from 1 to 32768.',
    );
  });

  it("S1: an unknown setting, a shard that is no function, and a shard without shards are refused", () => {
    expect(add({ shards: { max: 2, min: 1 } })).toThrow("the unknown option min: use max, sessions");
    expect(add({ shards: 2, shard: 1 })).toThrow("an invalid shard: it must be a function");
    expect(add({ shard: () => 0 })).toThrow(DeploymentError);
    expect(add({ shard: () => 0 })).toThrow('The endpoint at "/a" has shard but no shards');
  });

  it.each([
    [8, { max: 8, sessions: 2000 }],
    [{ max: 64 }, { max: 64, sessions: 2000 }],
    [
      { max: 1, sessions: 32_768 },
      { max: 1, sessions: 32_768 },
    ],
  ])("S1: the configuration of shards %j is %j, frozen, whoever gave it", async (shards, config) => {
    for (const given of [{ shards }, { configure: (one: { shards?: unknown }) => void (one.shards = shards) }]) {
      const seen = vi.fn<(config: object) => void>();
      const path = serve({
        ...given,
        onHandshake: (_: Request, context: { config: { shards: object } }) => seen(context.config.shards),
      });
      await open(path);
      expect(seen.mock.lastCall![0]).toEqual(config);
      expect(seen.mock.lastCall![0]).toSatisfy(Object.isFrozen);
    }
  });

  it("S1: endpoints that may have one object by instance must have the same shards", () => {
    const instance = () => "one";
    const both = (one: object, other: object) => () =>
      new ServerContainer().addEndpoint("/a", one).addEndpoint("/b", other);
    expect(both({ instance, shards: 2 }, {})).toThrow(/"\/a" and "\/b" have the class .* differ in shards/);
    expect(both({ shards: 3 }, { instance, shards: 2 })).toThrow("differ in shards");
    expect(both({ instance, shards: 2 }, { shards: { max: 2, sessions: 2000 } })).not.toThrow();
    expect(both({ shards: 2 }, {})).not.toThrow();
  });
});

describe("the shards of a path", () => {
  it("S1: grow under a burst, none past its number before all are full, and then share what comes", async () => {
    const path = serve({ shards: { max: 8, sessions: 5 } });
    const opened: number[] = [];
    /** The number of sessions in each shard, from those that have opened. */
    const counts = () => Array.from({ length: 8 }, (_, shard) => opened.filter((one) => one === shard).length);
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        opened.push(await openShard(path));
      }),
    );
    expect(counts()).toEqual(Array.from({ length: 8 }, () => 5));
    await Promise.all(
      Array.from({ length: 24 }, async () => {
        opened.push(await openShard(path));
      }),
    );
    expect(opened).toHaveLength(64);
    expect(Math.max(...counts())).toBeLessThan(5 + 24);
    expect(refusals()).toEqual([]);
  });

  it("S1: one burst past all of them opens all", async () => {
    const path = serve({ shards: { max: 4, sessions: 3 } });
    const shards = await Promise.all(Array.from({ length: 30 }, () => openShard(path)));
    for (let shard = 0; shard < 4; shard++) {
      expect(shards.filter((one) => one === shard).length).toBeGreaterThanOrEqual(3);
    }
  });

  it("S1: are no more than hold what there is", async () => {
    const path = serve({ shards: { max: 64, sessions: 100 } });
    const shards = await Promise.all(Array.from({ length: 30 }, () => openShard(path)));
    expect(new Set(shards)).toEqual(new Set([0]));
  });

  it("S1, S5: are asked alone: the root hears of the first session of each, and each shard is of its path", async () => {
    const path = serve({ shards: { max: 4, sessions: 1 } }, "/{room}");
    const rooms = ["/one", "/two"].map((room) => path.replace("/{room}", room));
    const spy = vi.spyOn(Endpoint.prototype, "socle");
    for (const room of rooms) for (let count = 0; count < 3; count++) await open(room);
    const asked = spy.mock.calls.map(([told]) => told[0] === "ask" && told[1].questions);
    expect(asked).toEqual(Array.from({ length: 6 }, () => [["hello"]]));
    for (const room of rooms) for (let count = 0; count < 3; count++) await open(`${room}?again`);
    expect(spy.mock.calls.length).toBeLessThanOrEqual(8);
    const woken = events.flatMap((event) => (event.type === "wake" ? [event.id.name!] : []));
    for (const room of rooms) expect(woken.filter((name) => name === room)).toHaveLength(1);
    for (const room of rooms) expect(woken.filter((name) => name.startsWith(`${room}#`))).toHaveLength(4);
  });

  it("S1: are named by what instance returns, without a #", async () => {
    const [asked, bindings] = recording(taken);
    const path = freshPath() as "/a";
    // If one endpoint of a class has an instance, all endpoints of the class have the same shards.
    const own = new ServerContainer({ endpoint: "Watched" }).addEndpoint(path, {
      shards: 2,
      instance: (request) => new URL(request.url).searchParams.get("room")!,
    });
    const ask = (query: string) => own.fetch(upgrading(path + query), bindings, createExecutionContext());
    await ask("?room=a");
    expect(asked.map(({ name }) => name)).toEqual(["a#0"]);
    expect((await ask("?room=a%231")).status).toBe(500);
    expect(lastLogged()).toMatch(/^The option instance returned "a#1": with shards a name must not contain "#"/);
    expect(() => own.stub(bindings, `${path}?room=a%231`)).toThrow(DeploymentError);
    expect(asked).toHaveLength(1);
    const other = new ServerContainer({ endpoint: "Watched" }).addEndpoint(path, { instance: () => "a#1" });
    await other.fetch(upgrading(path), bindings, createExecutionContext());
    expect(asked.map(({ name }) => name)).toEqual(["a#0", "a#1"]);
  });

  it("S1: are in the jurisdiction and near the place that the options say, as the root is", async () => {
    const [asked, bindings] = recording(taken);
    const path = serve({
      shards: 2,
      jurisdiction: () => "eu",
      locationHint: (request: Request) => request.headers.get("near") ?? undefined,
    });
    await fetch(upgrading(path, { near: "weur" }), bindings);
    await fetch(upgrading(path), bindings);
    await watched.stub(bindings, path).fetch(upgrading(path));
    expect(asked).toMatchObject([
      { jurisdiction: "eu", hint: "weur" },
      { jurisdiction: "eu", hint: undefined },
      { name: path, jurisdiction: "eu" },
    ]);
  });

  it("S1: that are full say so before onOpen, count those that are in it, and not those that are closing", async () => {
    const opening = Promise.withResolvers<void>();
    let asked = 0;
    const onOpen = () => (++asked < 3 ? opening.promise : undefined);
    const closing = Promise.withResolvers<void>();
    const onClose = vi.fn<() => Promise<void> | undefined>();
    const path = serve({ shards: { max: 2, sessions: 2 }, shard: () => 0, onOpen, onClose });
    const first = open(path);
    const second = open(path);
    await vi.waitUntil(() => asked === 2, timeoutMs);
    expect(await statusOf(path)).toBe(503);
    expect(asked).toBe(2);
    opening.resolve();
    const [one] = await Promise.all([first, second]);
    expect(await statusOf(path)).toBe(503);
    await one.close();
    const third = await open(path);
    expect(await statusOf(path)).toBe(503);
    expect(asked).toBe(3);
    onClose.mockReturnValue(closing.promise);
    await exports.Watched.getByName(`${path}#0`).closeAll();
    expect(await statusOf(path)).toBe(101);
    closing.resolve();
    await third.closed;
  });

  it("S1: that are full know it after hibernation too", async () => {
    const path = serve({ shards: { max: 2, sessions: 2 }, shard: () => 1 });
    const clients = [await open(path), await open(path)];
    await hibernate(exports.Watched.getByName(`${path}#1`), { timeoutMs });
    expect(await statusOf(path)).toBe(503);
    await hibernate(exports.Watched.getByName(`${path}#1`), { timeoutMs });
    await clients[0]!.close();
    expect([await statusOf(path), await statusOf(path)]).toEqual([101, 503]);
  });

  it("S1: that are full don't count who is closing, after hibernation either, though the client has not answered", async () => {
    const path = serve({ shards: { max: 2, sessions: 1 }, shard: () => 1 });
    const { webSocket } = await fetch(upgrading(path));
    webSocket!.accept({ allowHalfOpen: true });
    const shard = exports.Watched.getByName(`${path}#1`);
    expect(await shard.closeAll()).toBe(1);
    await hibernate(shard, { timeoutMs });
    expect([await statusOf(path), await statusOf(path)]).toEqual([101, 503]);
  });

  it("S1: that don't hibernate are full too", async () => {
    const path = serve({ shards: { max: 2, sessions: 1 }, hibernate: false });
    expect(new Set([await openShard(path), await openShard(path)])).toEqual(new Set([0, 1]));
  });

  it("S1: tell nobody that they are full: the client gets no such header, and the session no such thing", async () => {
    const path = serve({ shards: { max: 1, sessions: 1 }, shard: () => 0 });
    await open(path);
    const response = await fetch(upgrading(path));
    expect([response.status, response.headers.get("Retry-After")]).toEqual([503, "5"]);
    expect([...response.headers.keys()].filter((name) => name.startsWith("socle"))).toEqual([]);
  });

  it("S1, R6: the hook is asked once, however many of them are full, and what it says holds in each", async () => {
    const onHandshake = vi.fn<() => object>(() => ({ headers: { "X-One": "1" }, userProperties: { a: 1 } }));
    const path = serve({
      shards: { max: 8, sessions: 1 },
      onHandshake,
      onOpen: (session: Session) => void session.asyncRemote.sendText(JSON.stringify(session.userProperties)),
    });
    for (let count = 1; count <= 10; count++) {
      const client = await open(path);
      expect(await client.next()).toBe('{"a":1}');
      expect(client.response.headers.get("X-One")).toBe("1");
      expect(onHandshake).toHaveBeenCalledTimes(count);
    }
    expect(refusals()).toEqual([]);
  });
});

describe("a Worker's guess", () => {
  /** The requests that the objects of a path get for the Worker's next connection. */
  async function asking(path: string, answer: (shard: number, told: Told) => Response = taken) {
    const [asked, bindings] = recording(answer);
    await fetch(upgrading(path), bindings);
    return asked.map(({ name, told }) => [Number(name.split("#")[1]), told?.guess, told?.sessions]);
  }
  const fullUnder = (count: number) => (shard: number) => (shard < count ? full(1) : taken());

  it("S1: is one shard at first, and doubles where that is full; the next is one that is new", async () => {
    const path = serve({ shards: { max: 8, sessions: 7 } });
    expect(await asking(path)).toEqual([[0, 1, 7]]);
    vi.spyOn(Math, "random").mockReturnValue(0);
    expect(await asking(path, fullUnder(4))).toEqual([
      [0, 1, 7],
      [1, 2, 7],
      [2, 4, 7],
      [4, 8, 7],
    ]);
    // Shards that were full are not asked again.
    expect(await asking(path)).toEqual([[3, 8, 7]]);
    vi.spyOn(Math, "random").mockReturnValue(0.99);
    expect(await asking(path)).toEqual([[7, 8, 7]]);
  });

  it("S1: is no more than the most; where all are full, one is to take it all the same", async () => {
    const path = serve({ shards: { max: 3, sessions: 7 } });
    const asked = await asking(path, (_, { sessions }) => (sessions === undefined ? taken() : full(64)));
    expect(asked.map(([, guess, sessions]) => [guess, sessions])).toEqual([
      [1, 7],
      [3, 7],
      [3, 7],
      [3, undefined],
    ]);
    expect(new Set(asked.slice(0, 3).map(([shard]) => shard)).size).toBe(3);
    expect(await asking(path)).toEqual([[expect.any(Number), 3, undefined]]);
  });

  it("S1: is what a full one has heard, if that is more", async () => {
    const path = serve({ shards: { max: 16, sessions: 7 } });
    vi.spyOn(Math, "random").mockReturnValue(0.99);
    const asked = await asking(path, (shard) => (shard === 0 ? full(8) : taken()));
    expect(asked).toEqual([
      [0, 1, 7],
      [7, 8, 7],
    ]);
  });

  it("S1: is what a shard keeps for other Workers, for a minute", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const path = serve({ shards: { max: 64, sessions: 1 } });
    const place = (guess: number, sessions?: number) => ({
      cf: { socle: { path, pathParameters: {}, negotiatedSubprotocol: "", place: { guess, sessions } } },
    });
    const shard = exports.Watched.getByName(`${path}#0`);
    const told = async (guess: number) => {
      const request = new Request(upgrading(path), place(guess, 1));
      return (await shard.fetch(request)).headers.get("Socle-Full");
    };
    expect(await told(16)).toBeNull();
    expect([await told(1), await told(32), await told(4)]).toEqual(["16", "32", "32"]);
    vi.setSystemTime(Date.now() + 60_000);
    expect(await told(4)).toBe("4");
  });

  it("S1: doubles once for all that meet a full one at the same time", async () => {
    const path = serve({ shards: { max: 64, sessions: 7 } });
    const [asked, bindings] = recording((shard) => (shard === 0 ? full(1) : taken()));
    await Promise.all(Array.from({ length: 20 }, () => fetch(upgrading(path), bindings)));
    expect(asked.filter(({ name }) => name.endsWith("#0"))).toHaveLength(20);
    expect(asked.filter(({ name }) => name.endsWith("#1"))).toHaveLength(20);
  });

  it("S1: is half of what it was after a minute without a full shard, and a quarter after two", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.spyOn(Math, "random").mockReturnValue(0.99);
    const path = serve({ shards: { max: 16, sessions: 7 } });
    await asking(path, (shard) => (shard === 0 ? full(64) : taken()));
    vi.setSystemTime(Date.now() + 59_999);
    expect(await asking(path)).toEqual([[15, 16, 7]]);
    vi.setSystemTime(Date.now() + 1);
    expect(await asking(path)).toEqual([[7, 8, 7]]);
    vi.setSystemTime(Date.now() + 120_000);
    expect(await asking(path)).toEqual([[1, 2, 7]]);
    vi.setSystemTime(Date.now() + 86_400_000);
    expect(await asking(path)).toEqual([[0, 1, 7]]);
  });

  it("S1: is remembered of a thousand paths, those that were asked for last", async () => {
    const path = serve({ shards: { max: 16, sessions: 7 } }, "/{room}");
    vi.spyOn(Math, "random").mockReturnValue(0.99);
    const at = (room: number, answer = taken) => asking(path.replace("{room}", String(room)), answer);
    for (const room of [0, 1]) await at(room, (shard?: number) => (shard === 0 ? full(4) : taken()));
    for (let room = 2; room < 1000; room++) await at(room);
    expect(await at(0)).toEqual([[3, 4, 7]]);
    await at(1000);
    expect(await at(0)).toEqual([[3, 4, 7]]);
    expect(await at(1)).toEqual([[0, 1, 7]]);
  });

  it("S1: is not remembered of a path that is longer than any need be: its clients may have chosen it", async () => {
    const path = serve({ shards: { max: 16, sessions: 7 } }, "/{room}");
    vi.spyOn(Math, "random").mockReturnValue(0.99);
    const at = (room: string, answer = taken) => asking(path.replace("{room}", room), answer);
    const meet = (shard?: number) => (shard === 0 ? full(4) : taken());
    for (const room of ["short", "l".repeat(1000)]) await at(room, meet);
    expect(await at("short")).toEqual([[3, 4, 7]]);
    expect(await at("l".repeat(1000))).toEqual([[0, 1, 7]]);
  });

  it("S1, R8: leaves a shard that fails to the platform's retries, and an overloaded one is 503", async () => {
    const path = serve({ shards: { max: 4, sessions: 7 } });
    let tries = 0;
    const failing = (flags: object) => () => {
      if (++tries < 3 || "overloaded" in flags) throw Object.assign(new Error("failed"), flags);
      return taken();
    };
    expect(await asking(path, failing({ retryable: true }))).toEqual([0, 0, 0].map((shard) => [shard, 1, 7]));
    expect(refusals()).toHaveLength(1);
    tries = 0;
    expect(await asking(path, failing({ overloaded: true }))).toEqual([[0, 1, 7]]);
    expect(refusals().slice(1)).toEqual([503]);
  });
});

describe("the option shard", () => {
  it("S1: chooses, of the request and the path's parameters", async () => {
    const path = serve(
      {
        shards: 4,
        shard: (request: Request, { room }: { room: string }) =>
          room === "one" ? 1 : Number(new URL(request.url).searchParams.get("to")),
      },
      "/{room}",
    );
    const room = (name: string) => path.replace("{room}", name);
    expect(await openShard(room("one"))).toBe(1);
    expect(await openShard(room("two?to=3"))).toBe(3);
    expect(await openShard(room("two?to=0"))).toBe(0);
  });

  it.each([-1, 4, 1.5, NaN, "1", undefined, null, Promise.resolve(1)])(
    "S1: what it returns is a whole number below the most, else 500 (%s)",
    async (chosen) => {
      const path = serve({ shards: 4, shard: () => chosen });
      expect(await statusOf(path)).toBe(500);
      expect(lastLogged()).toBe("The option shard must return a whole number from 0 to 3.");
      expect(refusals()).toEqual([500]);
    },
  );

  it("S1: what it throws is 500 and logged", async () => {
    const path = serve({
      shards: 4,
      shard() {
        throw new Error("from shard");
      },
    });
    expect(await statusOf(path)).toBe(500);
    expect(lastLogged()).toBe("from shard");
  });

  it("S1: a full one that it chose is 503, told of once, and no other is asked", async () => {
    const path = serve({ shards: { max: 4, sessions: 1 }, shard: () => 2 });
    await open(path);
    const [asked, bindings] = recording();
    expect((await fetch(upgrading(path), bindings)).status).toBe(503);
    expect(asked.map(({ name }) => name)).toEqual([`${path}#2`]);
    expect(refusals()).toEqual([503]);
  });
});

describe("past the router", () => {
  it("S1: an upgrade that reaches the root goes on to a shard, also where the Worker's version knows of none", async () => {
    const path = serve({ shards: { max: 4, sessions: 2 } });
    const stub = watched.stub(env, path);
    const shards = [];
    for (let count = 0; count < 6; count++) {
      const client = await connect(stub, path, { timeoutMs });
      shards.push(await shardOf(client));
      expect(await client.ask("hi")).toBe("hi");
    }
    expect(new Set(shards).size).toBeGreaterThan(2);
    const cf = { socle: { path, pathParameters: {}, negotiatedSubprotocol: "" } };
    const response = await stub.fetch(new Request(upgrading(path), { cf }));
    expect(response.status).toBe(101);
    expect(await stub.openSessionCount()).toBe(7);
    expect(await runInDurableObject(stub, (object) => object.openSessionCount())).toBe(0);
  });

  it("S1: the socket of one that the root has passed on outlives the root", async () => {
    const path = serve({ shards: 4 });
    const stub = watched.stub(env, path);
    const client = await connect(stub, path, { timeoutMs });
    await drop(stub, { timeoutMs });
    await client.next();
    expect(await client.ask("hi")).toBe("hi");
  });

  it("S1, R6: the checks hold in the root too, and nobody has asked the hook", async () => {
    const guarded = serve({ shards: 4, onHandshake: () => undefined });
    expect((await watched.stub(env, guarded).fetch(upgrading(guarded))).status).toBe(403);
    const origins = serve({ shards: 4, allowedOrigins: ["https://a.test"] });
    const status = async (Origin: string) =>
      (await watched.stub(env, origins).fetch(upgrading(origins, { Origin }))).status;
    expect([await status("https://a.test"), await status("https://b.test")]).toEqual([101, 403]);
  });

  it("S1: the root asks the option shard, and answers 500 where that is wrong", async () => {
    const path = serve({ shards: 4, shard: (request: Request) => Number(new URL(request.url).searchParams.get("to")) });
    const stub = watched.stub(env, path);
    expect(await shardOf(await connect(stub, `${path}?to=3`, { timeoutMs }))).toBe(3);
    expect((await stub.fetch(upgrading(`${path}?to=4`))).status).toBe(500);
    expect(lastLogged()).toBe("The option shard must return a whole number from 0 to 3.");
  });

  it("S1: one that reaches a shard is served there, by its checks", async () => {
    const path = serve({ shards: { max: 2, sessions: 1 } });
    // A shard that is no longer in use also serves it.
    for (const shard of [1, 1, 7]) {
      const client = await connect(exports.Watched.getByName(`${path}#${shard}`), path, { timeoutMs });
      expect(await shardOf(client)).toBe(shard);
    }
    const guarded = serve({ shards: 4, onHandshake: () => undefined });
    expect((await exports.Watched.getByName(`${guarded}#0`).fetch(upgrading(guarded))).status).toBe(403);
  });

  it("S1: an object that has no name is refused, and the log says what to do", async () => {
    const path = serve({ shards: 4 });
    const stub = exports.Watched.get(exports.Watched.newUniqueId());
    expect((await stub.fetch(upgrading(path))).status).toBe(500);
    expect(lastLogged()).toBe(
      `"${path}" has shards, and the object has no name: get it by name, as container.stub does.`,
    );
  });
});

describe("a class that another Worker may have", () => {
  it("S1: has shards by the name of its binding, whatever its own options, and they are full all the same", async () => {
    const path = freshPath() as "/a";
    const other = new ServerContainer().addEndpoint(path, { durableObject: "OTHER", shards: { max: 2, sessions: 1 } });
    const worker = { fetch: (request: Request) => other.fetch(request, env, createExecutionContext()) };
    const names = [];
    for (let count = 0; count < 2; count++) names.push(await (await connect(worker, path, { timeoutMs })).next());
    expect(names).toEqual([`Bound ${path}#0`, `Bound ${path}#1`]);
  });
});

describe("root and shard", () => {
  let path: string;
  let crowd: ServerContainer;
  const stub = () => crowd.stub<Crowd>(env, path);
  const openIn = async (): Promise<[client: Client, where: [name: string, shard: number | null]]> => {
    const worker = { fetch: (request: Request) => crowd.fetch(request, env, createExecutionContext()) };
    const client = await connect(worker, path, { timeoutMs });
    return [client, JSON.parse((await client.next()) as string) as [string, number | null]];
  };
  const register = (options: object) => {
    path = freshPath();
    crowd = new ServerContainer().addEndpoint(path as "/a", { durableObject: Crowd, ...options });
  };

  it("S7: a shard has its number, and its root's state", async () => {
    register({ shards: { max: 4, sessions: 1 }, binding: "Crowd" });
    const [one, two] = [await openIn(), await openIn()];
    expect([one[1], two[1]]).toEqual([
      [`${path}#0`, 0],
      [`${path}#1`, 1],
    ]);
    expect(await one[0].ask("a")).toBe(`${path},0: a`);
    expect(await two[0].ask("b")).toBe(`${path},0: a,1: b`);
    await hibernate(env.Crowd.getByName(`${path}#1`), { timeoutMs });
    expect(await two[0].ask("c")).toBe(`${path},0: a,1: b,1: c`);
    expect(await stub().hear("d")).toEqual([path, "0: a", "1: b", "1: c", "d"]);
  });

  it("S7: requests that are no upgrade, and what is called by stub, come to the root, which has no number and is its own root", async () => {
    register({ shards: 4 });
    const response = await crowd.fetch(new Request(`https://socle.test${path}`), env, createExecutionContext());
    expect(await response.json()).toEqual([path, null]);
    expect(await stub().rootId()).toBe(env.Crowd.idFromName(path).toString());
  });

  it("S7: a shard belongs to its root's endpoint, not to one whose parameter would match its name", async () => {
    const root = freshPath("/final");
    const own = new ServerContainer()
      .addEndpoint(root.replace("final", "{room}") as "/{room}", Crowd)
      .addEndpoint(root as "/a", { durableObject: Crowd, shards: 2 });
    const worker = { fetch: (request: Request) => own.fetch(request, env, createExecutionContext()) };
    const client = await connect(worker, root, { timeoutMs });
    expect(JSON.parse((await client.next()) as string)).toEqual([`${root}#0`, 0]);
    expect(await client.ask("a")).toBe(`${root},0: a`);
    // For an object of the other endpoint, a "#" in its name means nothing.
    const odd = env.Crowd.getByName(`${root.replace("final", "odd")}#0`);
    expect(await odd.rootId()).toBe(odd.id.toString());
  });

  it("S7, T6: a shard has the topics of its root's endpoint, also where nothing tells it but its name", async () => {
    const topicsPath = serve({ shards: 2, topics: { history: { messages: 5 } } });
    const { position } = await exports.Watched.getByName(`${topicsPath}#1`).publish("t", "1");
    expect(position).toEqual(expect.any(String));
  });

  it("S7: without shards an object is its own root, whatever its name", async () => {
    register({});
    const [client, where] = await openIn();
    expect(where).toEqual([path, null]);
    expect(await client.ask("a")).toBe(`${path},undefined: a`);
    // Without shards, a "#" in a name means nothing.
    const odd = env.Crowd.getByName(`${path}#1`);
    expect(await odd.rootId()).toBe(odd.id.toString());
    const nameless = env.Crowd.get(env.Crowd.newUniqueId());
    expect(await nameless.rootId()).toBe(nameless.id.toString());
  });
});

describe("another number of shards", () => {
  it("S8: what 0.1.0 has kept, and versions that knew of none, counts as without shards", () => {
    const [without, sharded] = [{}, { shards: 2 }].map((options) => define("/a", options, false).made);
    const facts = { negotiatedSubprotocol: "" } as SessionFacts;
    expect(obstacle(formerOf(facts, sharded!), sharded!, true)).toBe("shards was added");
    expect(obstacle(formerOf({ ...facts, made: "0" }, sharded!), sharded!, true)).toBe("shards was added");
    expect(obstacle(formerOf(facts, without!), without!, true)).toBeUndefined();
    expect([without, define("/a", { shards: { max: 9, sessions: 1 } }, false).made]).toEqual(["0", sharded]);
  });

  const deployed = async (before: object, after: object, shard: string) => {
    const path = serve(before);
    const client = await open(path);
    expect(await client.next()).toBe(path + shard);
    redeploy(watched, path as "/a", { ...located, ...after });
    await hibernate(exports.Watched.getByName(path + shard), { timeoutMs });
    return [path, client] as const;
  };

  it("S8: leaves what is open where it is", async () => {
    const [path, client] = await deployed({ shards: 8, shard: () => 7 }, { shards: { max: 2, sessions: 1 } }, "#7");
    expect(await client.ask("hi")).toBe("hi");
    const shards = await Promise.all(Array.from({ length: 6 }, () => openShard(path)));
    expect(new Set(shards)).toEqual(new Set([0, 1]));
    expect(await client.ask("still")).toBe("still");
  });

  it.each([
    ["come", {}, { shards: 2 }, ""],
    ["gone", { shards: 2 }, {}, "#0"],
  ])("S8: shards that have %s end the sessions of before with 1012", async (change, before, after, shard) => {
    const [path, client] = await deployed(before, after, shard);
    // The session gets no answer.
    expect(await client.ask("hi").catch(() => client.closed)).toMatchObject({ code: 1012 });
    expect(lastLogged()).toContain(`shards was ${change === "come" ? "added" : "removed"}`);
    const next = await open(path);
    await next.next();
    expect(await next.ask("hi")).toBe("hi");
  });
});
