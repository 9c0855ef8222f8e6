// `SocleClient` without a network, with a clock that the test moves: docs/behaviour.md, C1 to C5.
import { OutboxFullError, SocleClient } from "socle/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { SimulatedPage, Simulation } from "./support/simulated-client.ts";
import type { ServerOptions } from "./support/simulated-server.ts";

/** The value of `Math.random`; 1 is the longest delay. */
let chance = 1;

beforeEach(() => {
  chance = 1;
  vi.spyOn(Math, "random").mockImplementation(() => chance);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const MINUTE = 60_000;

const simulate = (options?: ServerOptions) => new Simulation(options);

/** The times between each two. */
const gaps = (times: readonly number[]) => times.slice(1).map((time, index) => time - times[index]!);

describe("connecting", () => {
  it("C2: is connecting, then open, and tells of it; ready resolves", async () => {
    const { client, clock, told } = started();
    expect(client.status).toBe("connecting");
    const ready = vi.fn<() => void>();
    void client.ready.then(ready);
    await clock.advance(1000);
    expect(client.status).toBe("open");
    expect(told).toEqual(["open", "opened"]);
    expect(ready).toHaveBeenCalledOnce();
    await expect(client.ready).resolves.toBeUndefined();
  });

  it("C1: comes back after a loss, within twice as long after each attempt that fails, and within maxDelayMs at the latest", async () => {
    const { clock, network } = started({}, { topics: ["a"] });
    await clock.advance(1000);
    network.isRefusing = true;
    const from = network.attempts.length;
    network.cut();
    await clock.advance(5 * MINUTE);
    // A refused attempt takes one way there and one back.
    const delays = gaps(network.attempts.slice(from - 1)).slice(1);
    expect(delays.slice(0, 8)).toEqual([1020, 2020, 4020, 8020, 16_020, 30_020, 30_020, 30_020]);
  });

  it.each([
    // A timer of 0 ms takes 1 ms.
    [0, [1, 1, 1]],
    [0.5, [250, 500, 1000]],
  ])("C1: waits a random part of it, %s of the longest", async (part, expected) => {
    const { clock, network } = started({}, { topics: ["a"] });
    await clock.advance(1000);
    chance = part;
    network.isRefusing = true;
    const lostAt = clock.time + 10;
    const from = network.attempts.length;
    network.cut();
    await clock.advance(3000);
    const attempts = network.attempts.slice(from, from + 3);
    expect(gaps([lostAt - 20, ...attempts]).map((gap) => gap - 20)).toEqual(expected);
  });

  it("C1: minDelayMs and maxDelayMs are the client's", async () => {
    const { clock, network } = started({ minDelayMs: 100, maxDelayMs: 300 }, { topics: ["a"] });
    await clock.advance(1000);
    network.isRefusing = true;
    network.cut();
    await clock.advance(2000);
    expect(gaps(network.attempts).slice(1, 5)).toEqual([220, 320, 320, 320]);
  });

  it("C1: begins anew with the shortest once a connection has lived", async () => {
    const { clock, network } = started();
    await clock.advance(1000);
    for (let times = 0; times < 5; times++) {
      const from = network.attempts.length;
      const lostAt = clock.time + 10;
      network.cut();
      await clock.advance(2000);
      expect(network.attempts.slice(from)).toEqual([lostAt + 500]);
    }
  });

  it("C1: a server that lets go of whoever comes is asked less and less often", async () => {
    const { clock, network, server } = started();
    for (let times = 0; times < 6; times++) {
      while (server.peers.size === 0) await clock.advance(10);
      server.closeAll(1011);
    }
    const delays = gaps(network.attempts).map((gap) => Math.round(gap / 500));
    expect(delays).toEqual([1, 2, 4, 8, 16]);
  });

  it.each([
    [1000, false],
    [1001, true],
    [1006, true],
    [1008, true],
    [1011, true],
    [1012, true],
    [1013, true],
    [3000, true],
    [4000, false],
    [4499, false],
    [4500, true],
    [4999, true],
  ])("C1: after %s it comes back: %s", async (code, isBack) => {
    const { client, clock, server, told } = started();
    await clock.advance(1000);
    server.closeAll(code);
    await clock.advance(1000);
    expect(client.status).toBe(isBack ? "open" : "closed");
    expect(told.includes(`ended ${code} 0`)).toBe(!isBack);
    // The timer of the next heartbeat.
    expect(clock.timers).toBe(Number(isBack));
  });

  it("C1: shouldReconnect decides otherwise, and gets the close event", async () => {
    const codes: number[] = [];
    const types: string[] = [];
    const shouldReconnect = ({ code, type }: { code: number; type: string }) => {
      types.push(type);
      return codes.push(code) < 3;
    };
    const { client, clock, server } = started({ shouldReconnect });
    for (const code of [4000, 1000, 1012]) {
      await clock.advance(5000);
      expect(client.status).toBe("open");
      server.closeAll(code);
    }
    await clock.advance(5000);
    expect(codes).toEqual([4000, 1000, 1012]);
    expect(types).toEqual(["close", "close", "close"]);
    expect(client.status).toBe("closed");
  });

  it("C1: a shouldReconnect that throws is reported, and the client comes back", async () => {
    const reported = vi.spyOn(globalThis, "queueMicrotask").mockImplementation(() => {});
    const shouldReconnect = () => {
      throw new Error("no");
    };
    const { client, clock, server } = started({ shouldReconnect });
    await clock.advance(1000);
    server.closeAll(1012);
    await clock.advance(1000);
    expect(client.status).toBe("open");
    expect(reported).toHaveBeenCalled();
  });

  it("C1: url and protocols are asked for each attempt, and may take their time", async () => {
    let count = 0;
    const url = vi.fn<() => Promise<string>>(async () => `ws://a.test/?token=${++count}`);
    const protocols = vi.fn<() => string[]>(() => []);
    const simulation = simulate();
    simulation.client({ protocols }, url);
    await simulation.clock.advance(1000);
    simulation.network.cut();
    await simulation.clock.advance(1000);
    expect(simulation.server.received.map(({ url: one }) => one)).toEqual([
      "ws://a.test/?token=1",
      "ws://a.test/?token=2",
    ]);
    expect(protocols).toHaveBeenCalledTimes(2);
  });

  it("C1: a connection whose url was asked for stays", async () => {
    const simulation = simulate();
    const client = simulation.client({}, async () => "ws://a.test/");
    await simulation.clock.advance(10 * MINUTE);
    expect(client.status).toBe("open");
    expect(simulation.network.attempts).toHaveLength(1);
  });

  it("C1: a url that can't be had is tried again, and the status says why", async () => {
    let count = 0;
    const url = async () => {
      if (++count < 3) throw new Error("no token");
      return "ws://a.test/";
    };
    const simulation = simulate();
    const client = simulation.client({}, url);
    await simulation.clock.advance(5000);
    expect(client.status).toBe("open");
    expect(simulation.statuses.slice(0, 2)).toMatchObject([
      { status: "waiting", code: 1006, error: new Error("no token") },
      { status: "connecting" },
    ]);
  });

  it("C1: a url that never comes, and a server that never answers, are given up", async () => {
    let count = 0;
    const url = () => (++count === 1 ? new Promise<string>(() => {}) : "ws://a.test/");
    const simulation = simulate();
    const client = simulation.client({ heartbeatTimeoutMs: 2000 }, url);
    simulation.network.isSilent = true;
    await simulation.clock.advance(2000);
    expect(simulation.statuses.at(-1)).toMatchObject({ status: "waiting" });
    await simulation.clock.advance(2700);
    simulation.network.isSilent = false;
    expect(simulation.statuses.filter(({ status }) => status === "waiting")).toHaveLength(2);
    await simulation.clock.advance(2000);
    expect(client.status).toBe("open");
    expect(simulation.network.open).toBe(1);
  });

  it("C1: what is asked for an attempt that was given up opens no second connection", async () => {
    const simulation = simulate();
    const answers: ((url: string) => void)[] = [];
    const client = simulation.client(
      { heartbeatTimeoutMs: 1000 },
      () => new Promise<string>((resolve) => answers.push(resolve)),
    );
    await simulation.clock.advance(1600);
    expect(answers).toHaveLength(2);
    for (const answer of answers) answer("ws://a.test/");
    await simulation.clock.advance(1000);
    expect(client.status).toBe("open");
    expect(simulation.network.attempts).toHaveLength(1);
    client.close();
    answers.at(-1)!("ws://a.test/");
    await simulation.clock.advance(1000);
    expect(simulation.network.attempts).toHaveLength(1);
  });

  it("C1: a url that is no function and none throws at once, and leaves nothing behind", () => {
    const { clock, network } = simulate();
    class Picky extends network.WebSocket {
      constructor(url: string, protocols: readonly string[]) {
        if (url === "nonsense") throw new SyntaxError("no URL");
        super(url, protocols);
      }
    }
    expect(() => new SocleClient("nonsense", { WebSocket: Picky })).toThrow(new SyntaxError("no URL"));
    expect(clock.size).toBe(0);
  });

  it("C1: while the browser is offline it waits, and comes back at once when it is online", async () => {
    const { client, clock, network, page } = started();
    await clock.advance(1000);
    page.online(false);
    network.cut();
    await clock.advance(10 * MINUTE);
    expect(client.status).toBe("waiting");
    expect(network.attempts).toHaveLength(1);
    page.online(true);
    expect(client.status).toBe("connecting");
    await clock.advance(100);
    expect(client.status).toBe("open");
  });

  it("C1: a page that is hidden comes back too when it is online again", async () => {
    const { client, clock, network, page } = started();
    await clock.advance(1000);
    page.online(false);
    page.show(false);
    network.cut();
    await clock.advance(10 * MINUTE);
    page.online(true);
    await clock.advance(100);
    expect(client.status).toBe("open");
  });

  it("C1: a page that becomes visible comes back at once, one that is hidden does not", async () => {
    const { client, clock, network, page } = started();
    await clock.advance(1000);
    network.cut();
    await clock.advance(20);
    page.show(false);
    expect(client.status).toBe("waiting");
    page.show(true);
    expect(client.status).toBe("connecting");
    await clock.advance(100);
    expect(client.status).toBe("open");
    expect(network.attempts).toHaveLength(2);
  });

  it("C1: connects to an endpoint without socle.v1, at the first try", async () => {
    const { client, clock, network, received } = started({}, { isPlain: true });
    for (let times = 0; times < 3; times++) {
      await clock.advance(3000);
      expect(client.status).toBe("open");
      client.send(Uint8Array.of(1));
      await clock.advance(100);
      network.cut();
    }
    expect(network.attempts).toHaveLength(3);
    expect(received()).toEqual([[Uint8Array.of(1)], [Uint8Array.of(1)], [Uint8Array.of(1)]]);
  });

  it("C1: a network that failed is not taken for such an endpoint", async () => {
    const { client, clock, network, server } = started({}, { topics: ["a"] });
    network.cut();
    await clock.advance(1000);
    expect(client.status).toBe("open");
    expect(network.attempts).toHaveLength(2);
    const seen: unknown[] = [];
    client.topic("a").addEventListener("message", ({ data }) => void seen.push(data));
    server.publish("a", "1");
    await clock.advance(100);
    expect(seen).toEqual(["1"]);
  });

  it("C1: speaks socle.v1 also where the first name that it offers is answered, as dev servers do", async () => {
    const { client, clock, server } = started({}, { topics: ["a"], isFirstTold: true });
    const seen: unknown[] = [];
    client.topic("a").addEventListener("message", ({ data }) => void seen.push(data));
    await clock.advance(1000);
    server.publish("a", "1");
    await clock.advance(100);
    expect(seen).toEqual(["1"]);
  });

  it("C1: plain: true connects to a server that isn't Socle's, with the application's subprotocols alone", async () => {
    const { client, clock } = started({}, { isForeign: true });
    await clock.advance(1000);
    expect(client.status).not.toBe("open");
    vi.unstubAllGlobals();
    const told = started({ plain: true }, { isForeign: true });
    await told.clock.advance(1000);
    expect(told.client.status).toBe("open");
    expect(told.network.offered).toEqual([[]]);
    vi.unstubAllGlobals();
    const named = started({ plain: true, protocols: ["chat"] }, { isForeign: true });
    expect(named.network.offered).toEqual([["chat"]]);
  });
});

describe("the heartbeat", () => {
  it.each([0, 7000, 24_980, 24_999])(
    "C3: a dead network is noticed within heartbeatMs and heartbeatTimeoutMs, also %s ms after the last message",
    async (before) => {
      const { client, clock, network, server } = started({}, { topics: ["a"] });
      await clock.advance(1000);
      client.send("hello");
      await clock.advance(before);
      server.publish("a", "x");
      await clock.advance(20);
      network.isSilent = true;
      network.freeze();
      await clock.advance(35_000);
      expect(client.status).not.toBe("open");
    },
  );

  it("C3: also if the client goes on sending", async () => {
    const { client, clock, network } = started();
    await clock.advance(1000);
    network.isSilent = true;
    for (let times = 0; times < 35; times++) {
      client.send("?");
      await clock.advance(1000);
    }
    expect(client.status).not.toBe("open");
  });

  it("C3: an idle connection sends one each heartbeatMs, which no callback hears of, and stays", async () => {
    const { client, clock, server } = started();
    await clock.advance(10 * MINUTE);
    expect(client.status).toBe("open");
    expect(server.pings).toBeGreaterThanOrEqual(23);
    expect(server.pings).toBeLessThanOrEqual(24);
    expect(server.received).toEqual([{ url: "ws://a.test/", frames: [] }]);
  });

  it("C3: while both ends send none is sent; while only one does it is", async () => {
    const { client, clock, server } = started({}, { topics: ["a"] });
    await clock.advance(1000);
    for (let times = 0; times < 10; times++) {
      client.send("x");
      server.publish("a", "y");
      await clock.advance(20_000);
    }
    expect(server.pings).toBe(0);
    for (let times = 0; times < 10; times++) {
      server.publish("a", "y");
      await clock.advance(10_000);
    }
    expect(server.pings).toBe(4);
  });

  it("C3: its answer is no message; the same text, asked for by the application, is one", async () => {
    const { client, clock, told } = started();
    await clock.advance(MINUTE);
    expect(told).toEqual(["open", "opened"]);
    client.send("socle:ping");
    await clock.advance(100);
    expect(told).toEqual(["open", "opened", "got socle:pong"]);
  });

  it("C3: without a pair there is none; for a server that doesn't tell, the option is it", async () => {
    const none = started({}, { isPlain: true });
    await none.clock.advance(5 * MINUTE);
    expect(none.server.received.flatMap(({ frames }) => frames)).toEqual([]);
    expect(none.server.pings).toBe(0);
    vi.unstubAllGlobals();
    const told = started(
      { autoResponse: { request: "ping", response: "pong" } },
      { isPlain: true, request: "ping", response: "pong" },
    );
    await told.clock.advance(MINUTE);
    expect(told.server.pings).toBe(2);
    expect(told.told).toEqual(["open", "opened"]);
    told.network.isSilent = true;
    await told.clock.advance(35_000);
    expect(told.client.status).not.toBe("open");
  });

  it("C3: answers that don't come are nothing as long as something does", async () => {
    const { client, clock, network, server } = started({}, { topics: ["a"], isMute: true });
    await clock.advance(1000);
    for (let times = 0; times < 30; times++) {
      server.publish("a", "x");
      await clock.advance(9000);
    }
    expect(client.status).toBe("open");
    expect(server.pings).toBe(1);
    network.isSilent = true;
    await clock.advance(35_000);
    expect(client.status).not.toBe("open");
  });

  it("C3: with heartbeatMs: 0 a page that becomes visible asks once", async () => {
    const { clock, page, server } = started({ heartbeatMs: 0 });
    await clock.advance(1000);
    page.show(true);
    await clock.advance(10 * MINUTE);
    expect(server.pings).toBe(1);
  });

  it("C3: heartbeatMs: 0 sends none", async () => {
    const { clock, server } = started({ heartbeatMs: 0 });
    await clock.advance(10 * MINUTE);
    expect(server.pings).toBe(0);
  });

  it("C3: a laptop that slept asks, and goes on if somebody is there", async () => {
    const { client, clock, network } = started();
    await clock.advance(1000);
    await clock.sleep(60 * MINUTE);
    await clock.advance(MINUTE);
    expect(client.status).toBe("open");
    expect(network.attempts).toHaveLength(1);
  });

  it("C3: a laptop that slept while it waited for the answer reads that first", async () => {
    const { client, clock, network } = started();
    await clock.advance(20_000);
    network.latency = () => 4000;
    // The heartbeat is on its way.
    await clock.advance(5500);
    await clock.sleep(60_000);
    await clock.advance(20_000);
    expect(client.status).toBe("open");
    expect(network.attempts).toHaveLength(1);
  });

  it("C3: an answer that comes later than the next heartbeat is due is one", async () => {
    const { client, clock, network } = started({ heartbeatMs: 2000, heartbeatTimeoutMs: 10_000 });
    await clock.advance(1000);
    network.latency = () => 2000;
    await clock.advance(5 * MINUTE);
    expect(client.status).toBe("open");
    expect(network.attempts).toHaveLength(1);
    network.isSilent = true;
    await clock.advance(20_000);
    expect(client.status).not.toBe("open");
  });

  it("C3: a page that becomes visible, and a network that changes, ask at once", async () => {
    const { client, clock, network, page, server } = started();
    await clock.advance(1000);
    page.show(true);
    await clock.advance(100);
    expect(server.pings).toBe(1);
    page.online(true);
    await clock.advance(100);
    expect(server.pings).toBe(2);
    network.isSilent = true;
    page.online(true);
    await clock.advance(10_000);
    expect(client.status).not.toBe("open");
  });
});

describe("the outbox", () => {
  it("C4: what is sent before there is a connection goes on it, in order, behind what open sends", async () => {
    const { client, clock, received } = started();
    client.send("1");
    const bytes = Uint8Array.of(2);
    client.send(bytes);
    bytes[0] = 9;
    client.addEventListener("open", () => client.send("token"));
    client.send("3");
    await clock.advance(1000);
    client.send("4");
    await clock.advance(100);
    expect(received()).toEqual([["token", "1", Uint8Array.of(2), "3", "4"]]);
  });

  it("C4: what open sends goes before what waits also where the rate limit holds it", async () => {
    const { client, clock, received } = started({}, { rateLimit: { messages: 1, perMs: 100 } });
    client.send("1");
    client.addEventListener("open", () => ["a", "b"].forEach((text) => client.send(text)));
    await clock.advance(5000);
    expect(received()).toEqual([["a", "b", "1"]]);
  });

  it("C4: what a connection was given is not sent again; the status says how many may be lost", async () => {
    const { client, clock, network, received, statuses } = started();
    await clock.advance(1000);
    for (const text of ["1", "2", "3"]) client.send(text);
    network.cut();
    client.send("4");
    await clock.advance(20);
    client.send("5");
    client.send("6");
    await clock.advance(1000);
    expect(statuses.find(({ status }) => status === "waiting")).toMatchObject({ mayBeLost: 4, code: 1006 });
    expect(received()).toEqual([[], ["5", "6"]]);
  });

  it("C4: what an answer to a heartbeat stands behind is not lost", async () => {
    const { client, clock, network, received, statuses } = started();
    await clock.advance(1000);
    client.send("1");
    client.send("2");
    await clock.advance(30_000);
    client.send("3");
    network.cut();
    await clock.advance(1000);
    expect(received()[0]).toEqual(["1", "2"]);
    expect(statuses.find(({ status }) => status === "waiting")).toMatchObject({ mayBeLost: 1 });
  });

  it("C4: past maxOutboxMessages or maxOutboxBytes send throws, and what waits stays", async () => {
    const { client, clock, received } = started({ maxOutboxMessages: 3, maxOutboxBytes: 10 });
    client.send("1234");
    client.send(new ArrayBuffer(6));
    expect(() => client.send("x")).toThrow(OutboxFullError);
    expect(() => client.send("x")).toThrow("see maxOutboxMessages and maxOutboxBytes");
    client.send("");
    expect(() => client.send("")).toThrow(OutboxFullError);
    await clock.advance(1000);
    expect(received()).toEqual([["1234", new Uint8Array(6), ""]]);
    // A message that is sent at once needs no room in the outbox.
    client.send("x".repeat(1000));
    await clock.advance(1000);
    expect(received()[0]).toHaveLength(4);
  });

  it("C4: a thousand messages wait by default", async () => {
    const { client } = started();
    for (let count = 0; count < 1000; count++) client.send(`${count}`);
    expect(() => client.send("one more")).toThrow(OutboxFullError);
  });

  it("C4: a socket that is closing is given nothing", async () => {
    const { client, clock, network, received, server } = started();
    await clock.advance(1000);
    server.closeAll(1012);
    await clock.advance(9);
    for (const socket of network.sockets) socket.readyState = 2;
    client.send("later");
    await clock.advance(5000);
    expect(received()).toEqual([[], ["later"]]);
  });

  it.each([
    [{ messages: 10, perMs: 1000 }, 50],
    [{ messages: 1, perMs: 1000 }, 4],
    [{ messages: 3, perMs: 100 }, 20],
  ])("C4: keeps to a rateLimit of %j, also where the network bunches what it sends", async (rateLimit, count) => {
    const { client, clock, network, server, received } = started({}, { rateLimit });
    let full = 0;
    let isOver = false;
    server.onMessage = () => {
      full = Math.max(full, clock.time) + rateLimit.perMs / rateLimit.messages;
      if (full - clock.time > rateLimit.perMs + 1) isOver = true;
    };
    let isLate = false;
    network.latency = () => {
      isLate = !isLate;
      return isLate ? 10 : 10 + rateLimit.perMs / 4;
    };
    for (let sent = 0; sent < count; sent++) client.send(`${sent}`);
    await clock.advance(60_000);
    expect(received()).toEqual([Array.from({ length: count }, (_, sent) => `${sent}`)]);
    expect(isOver).toBe(false);
    // The client sends at no less than half the rate that it may.
    expect(client.status).toBe("open");
  });

  it.each([
    [10, 40, 40],
    [4, 100, 20],
    [1000, 0.4, 3000],
  ])("C4: with maxPendingMessages: %s a callback may take %s ms", async (maxPendingMessages, takes, count) => {
    const { client, clock, received, server } = started({ maxOutboxMessages: 5000 }, { maxPendingMessages });
    let free = 0;
    let most = 0;
    server.onMessage = () => {
      free = Math.max(free, clock.time) + takes;
      most = Math.max(most, (free - clock.time) / takes);
    };
    for (let sent = 0; sent < count; sent++) client.send(`${sent}`);
    await clock.advance(10_000);
    expect(received()[0]).toHaveLength(count);
    expect(most).toBeLessThanOrEqual(maxPendingMessages);
  });

  it.each([
    [1012, 2, 3],
    [1012, 1000, 6],
    [4500, 4, 5],
    [1013, 2, 6],
    [1008, 2, 6],
  ])("C4: a server that closes with %s may drop what waits, %s messages at most", async (code, most, lost) => {
    const { client, clock, server, statuses } = started({}, { maxPendingMessages: most, isMute: false });
    await clock.advance(1000);
    for (let sent = 0; sent < 5; sent++) client.send(`${sent}`);
    // The answer to a heartbeat comes after these.
    await clock.advance(MINUTE);
    client.send("5");
    await clock.advance(100);
    server.closeAll(code);
    await clock.advance(1000);
    expect(statuses.find(({ status }) => status === "waiting")).toMatchObject({ code, mayBeLost: lost });
  });

  it("C4: a server of before, which tells no settings, gets what waits all the same", async () => {
    const { client, clock, received, server } = started({}, { isTacit: true, topics: ["a"] });
    client.send("1");
    await clock.advance(1000);
    expect(received()).toEqual([["1"]]);
    expect(server.pings).toBe(0);
  });

  it.each([[5], [null], [undefined], [{}], [[1]], [Symbol("a")]])("C4: refuses to send %s", (data) => {
    const { client } = started();
    expect(() => client.send(data as never)).toThrow(new TypeError("Send a string or bytes."));
  });
});

describe("topics", () => {
  it("C5: a client that comes back has missed nothing, gets nothing twice, and is told so before", async () => {
    const { client, clock, network, server } = started({}, { topics: ["a", "b"] });
    const seen: string[] = [];
    for (const name of ["a", "b"]) {
      const topic = client.topic(name);
      topic.addEventListener("recovery", ({ recovered }) => void seen.push(`${name} ${recovered}`));
      topic.addEventListener("message", ({ data, position }) =>
        seen.push(`${name} ${String(data)} ${position?.split(".")[1]}`),
      );
    }
    await clock.advance(1000);
    server.publish("a", "1");
    server.publish("b", "1");
    await clock.advance(100);
    network.cut();
    server.publish("a", "2");
    await clock.advance(10);
    server.publish("a", "3");
    await clock.advance(1000);
    server.publish("a", "4");
    await clock.advance(100);
    expect(seen).toEqual(["a false", "b false", "a 1 1", "b 1 1", "a true", "a 2 2", "a 3 3", "b true", "a 4 4"]);
  });

  it("C5: says that something is missing before anything newer", async () => {
    const { client, clock, network, server } = started({}, { topics: ["a"], kept: 2 });
    const seen: string[] = [];
    const topic = client.topic("a");
    topic.addEventListener("recovery", ({ recovered }) => void seen.push(`${recovered}`));
    topic.addEventListener("message", ({ data }) => void seen.push(String(data)));
    await clock.advance(1000);
    server.publish("a", "1");
    await clock.advance(100);
    network.cut();
    for (const text of ["2", "3", "4"]) server.publish("a", text);
    await clock.advance(1000);
    server.publish("a", "5");
    await clock.advance(100);
    expect(seen).toEqual(["false", "1", "false", "5"]);
  });

  it("C5: positions of before are given, and those of now are told, the newest first", async () => {
    const { client, clock, server, network } = started({}, { topics: ["a", "b"] });
    await clock.advance(1000);
    for (const topic of ["a", "b", "a"]) server.publish(topic, "x");
    await clock.advance(100);
    const positions = [...client.positions];
    expect(positions.map(([topic, position]) => [topic, position.split(".")[1]])).toEqual([
      ["a", "2"],
      ["b", "1"],
    ]);
    client.close();
    server.publish("b", "y");
    const next = new SocleClient("ws://a.test/", {
      WebSocket: network.WebSocket,
      positions: client.positions,
    });
    const seen: unknown[] = [];
    next.topic("b").addEventListener("message", ({ data }) => void seen.push(data));
    next.topic("b").addEventListener("recovery", ({ recovered }) => void seen.push(recovered));
    await clock.advance(1000);
    expect(seen).toEqual([true, "y"]);
  });

  it("C5: who comes back has the same topics first as before, and an iterator may give the positions", async () => {
    const { client, clock, network, server } = started({}, { topics: ["a", "b", "c"] });
    await clock.advance(1000);
    for (const topic of ["c", "b", "a"]) server.publish(topic, "1");
    await clock.advance(100);
    network.cut();
    await clock.advance(2000);
    expect([...client.positions.keys()]).toEqual(["a", "b", "c"]);
    const next = new Simulation().client({ positions: client.positions.entries() });
    expect(next.positions).toEqual(client.positions);
  });

  it("C5: the same name is the same object; the client's messages have those of topics too", async () => {
    const { client, clock, server, told } = started({}, { topics: ["a"] });
    expect(client.topic("a")).toBe(client.topic("a"));
    expect(client.topic("a").name).toBe("a");
    await clock.advance(1000);
    server.publish("a", "1");
    await clock.advance(100);
    expect(told).toEqual(["open", "opened", "got 1"]);
  });

  it("C2, C5: iterations go over all connections, and end with the client", async () => {
    const { client, clock, network, server } = started({}, { topics: ["a"] });
    const all: unknown[] = [];
    const ofA: unknown[] = [];
    const ends = [
      (async () => {
        for await (const data of client) all.push(data);
      })(),
      (async () => {
        for await (const { data, position } of client.topic("a")) ofA.push([data, position?.split(".")[1]]);
      })(),
    ];
    await clock.advance(1000);
    server.publish("a", "1");
    await clock.advance(100);
    network.cut();
    server.publish("a", "2");
    await clock.advance(1000);
    server.publish("a", "3");
    await clock.advance(100);
    client.close();
    await Promise.all(ends);
    expect(all).toEqual(["1", "2", "3"]);
    expect(ofA).toEqual([
      ["1", "1"],
      ["2", "2"],
      ["3", "3"],
    ]);
  });
});

describe("the end", () => {
  const moments: [string, (simulation: ReturnType<typeof started>) => Promise<void> | void][] = [
    ["at once", () => {}],
    ["while it connects", ({ clock }) => clock.advance(5)],
    ["before the settings", ({ clock }) => clock.advance(20)],
    ["while it is open", ({ clock }) => clock.advance(1000)],
    [
      "while a heartbeat is under way",
      async ({ clock, network }) => {
        await clock.advance(1000);
        network.freeze();
        await clock.advance(27_000);
      },
    ],
    [
      "while it waits",
      async ({ clock, network }) => {
        await clock.advance(1000);
        network.cut();
        await clock.advance(100);
      },
    ],
    [
      "while it is offline",
      async ({ clock, network, page }) => {
        await clock.advance(1000);
        page.online(false);
        network.cut();
        await clock.advance(5000);
      },
    ],
    [
      "while the rate limit holds it",
      async ({ client, clock }) => {
        await clock.advance(1000);
        for (let count = 0; count < 10; count++) client.send("x");
      },
    ],
  ];
  it.each(moments)("C2: close() %s leaves no timer, no listener and no connection", async (_, until) => {
    const simulation = started({}, { rateLimit: { messages: 2, perMs: 1000 } });
    const { client, clock, network, page, told } = simulation;
    const ready = vi.fn<(error: Error) => void>();
    await until(simulation);
    client.close(4321, "bye");
    expect(clock.timers).toBe(0);
    expect(client.status).toBe("closed");
    expect(page.listeners).toBe(0);
    expect(network.open).toBe(0);
    client.close();
    await clock.advance(100);
    await client.ready.catch(ready);
    expect(ready).toHaveBeenCalledWith(new Error("The client is closed."));
    await clock.advance(5 * MINUTE);
    expect(clock.size).toBe(0);
    expect(network.open).toBe(0);
    expect(told.filter((one) => one.startsWith("ended"))).toEqual([expect.stringContaining("ended 4321")]);
    expect(told.filter((one) => one === "closed")).toHaveLength(1);
    expect(() => client.send("x")).toThrow("The client is closed.");
  });

  it("C2: a topic's listener may close it, and the message is nobody else's then", async () => {
    const { client, clock, server, told } = started({}, { topics: ["a"] });
    client.topic("a").addEventListener("message", () => client.close());
    await clock.advance(1000);
    server.publish("a", "x");
    await clock.advance(1000);
    expect(told).toEqual(["open", "opened", "closed", "ended 1000 0"]);
  });

  it("C2: the end says why no connection was made", async () => {
    const simulation = simulate();
    const url = () => {
      throw new Error("no token");
    };
    simulation.client({ shouldReconnect: () => false }, url);
    await simulation.clock.advance(100);
    expect(simulation.statuses).toMatchObject([{ status: "closed", code: 1006, error: new Error("no token") }]);
  });

  it("C2: the late end of a connection that was given up ends no other", async () => {
    const { client, clock, network } = started();
    await clock.advance(1000);
    network.freeze();
    await clock.advance(40_000);
    expect(client.status).toBe("open");
    await clock.advance(5 * MINUTE);
    expect(network.attempts).toHaveLength(2);
  });

  it("C4: the close event counts what was still waiting", async () => {
    const { client, clock, told } = started();
    client.send("1");
    client.send("2");
    client.close();
    await clock.advance(100);
    expect(told).toEqual(["closed", "ended 1000 2"]);
  });

  it("C2: nothing comes after close(), also what was in the same frame", async () => {
    const { client, clock, server, told, network } = started({}, { topics: ["a"], kept: 10 });
    await clock.advance(1000);
    network.cut();
    for (const text of ["1", "2", "3"]) server.publish("a", text);
    client.addEventListener("message", () => client.close());
    await clock.advance(5000);
    expect(told.filter((one) => one.startsWith("got"))).toEqual(["got 1"]);
  });

  it.each(["status", "open"] as const)("C2: a listener of %s may close it", async (type) => {
    const { client, clock, network } = started();
    client.send("1");
    client.addEventListener(type, () => client.close());
    await clock.advance(MINUTE);
    expect(client.status).toBe("closed");
    expect(network.open).toBe(0);
    expect(clock.size).toBe(0);
  });

  it.each([
    ["a code that a client may not send", [1001]],
    ["a reason that is too long", [4000, "x".repeat(124)]],
  ] as [string, [number, string?]][])("C2: close() with %s throws, and the client goes on", async (_, given) => {
    const { client, clock } = started();
    await clock.advance(1000);
    expect(() => client.close(...given)).toThrow(Error);
    expect(client.status).toBe("open");
  });
});

describe("options", () => {
  it.each(["minDelayMs", "maxDelayMs", "heartbeatMs", "heartbeatTimeoutMs", "maxOutboxMessages", "maxOutboxBytes"])(
    "C1-C4: %s takes a number from 0",
    (name) => {
      for (const value of [-1, NaN, Infinity, "five", {}]) {
        expect(() => simulate().client({ [name]: value })).toThrow(
          new TypeError(`${name} must be a number from 0 to 2147483647.`),
        );
      }
      simulate()
        .client({ [name]: undefined, plain: undefined } as object)
        .close();
    },
  );

  it("C1: without a WebSocket it throws at once, also where the url is still to be asked for", () => {
    vi.stubGlobal("WebSocket", undefined);
    expect(() => new SocleClient(() => "ws://a.test/")).toThrow(
      new TypeError("No WebSocket: set the option WebSocket."),
    );
  });

  it("T9: positions that are no pairs of texts are a TypeError", () => {
    expect(() => simulate().client({ positions: [["a", 5]] as never })).toThrow(TypeError);
  });
});

function started(options: Parameters<Simulation["client"]>[0] = {}, server?: ServerOptions) {
  const simulation = simulate(server);
  const page = new SimulatedPage();
  const client = simulation.client(options);
  const { clock, network, told, statuses } = simulation;
  return {
    client,
    clock,
    network,
    told,
    statuses,
    page,
    server: simulation.server,
    received: () => simulation.received,
  };
}
