// Events that a container reports to `onEvent`. They come in addition to the callbacks, and never hold them up.
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { ServerContainer, type ContainerEvent, type WsEndpointMap } from "socle";
import { connect, hibernate, type Client } from "socle/testing";
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from "vitest";

import { freshPath } from "./support/endpoint.ts";
import { listener, watched } from "./support/worker.ts";

/** All events of a test, the oldest first. */
let events: ContainerEvent[] = [];
let logged: MockInstance<typeof console.error>;
/** The bindings that came with the last event. */
let given: Cloudflare.Env | undefined;
const silent = listener.onEvent;

beforeEach(() => {
  events = [];
  listener.onEvent = (event, bindings) => {
    events.push(event);
    given = bindings;
  };
  logged = vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => {
  listener.onEvent = silent;
  vi.restoreAllMocks();
});

const fail = (): never => {
  throw new Error("from onEvent");
};

const types = () => events.map(({ type }) => type);

/** The events of a type, once there are this many. */
async function told<Type extends ContainerEvent["type"]>(type: Type, count = 1) {
  const found = () => events.filter((event) => event.type === type) as Extract<ContainerEvent, { type: Type }>[];
  await expect.poll(() => found().length).toBe(count);
  return found();
}

const worker = { fetch: (request: Request) => watched.fetch(request, env, createExecutionContext()) };

function serve<T>(
  map: WsEndpointMap<Cloudflare.Env, T> = {},
): [path: string, open: (headers?: HeadersInit) => Promise<Client>] {
  const path = freshPath();
  watched.addEndpoint(path, map);
  return [path, (headers = {}) => connect(worker, path, { headers, timeoutMs: 50_000 })];
}

describe("onEvent", () => {
  it("is told of objects that wake, and of sessions that open and close, hibernation between or not", async () => {
    const before = Date.now();
    const [path, open] = serve({ onText: (_, text, session) => session.asyncRemote.sendText(text) });
    const client = await open();
    const [{ session }] = (await told("open")) as [Extract<ContainerEvent, { type: "open" }>];
    expect(session.requestURI.pathname).toBe(path);
    expect(given!.Room).toBe(env.Room);
    await hibernate(watched.stub(env, path));
    expect(await client.ask("awake?")).toBe("awake?");
    await client.close(4001, "done");
    const [closed] = await told("close");
    expect(closed!.session.id).toBe(session.id);
    expect(closed!.closeReason).toMatchObject({ closeCode: 4001, reasonPhrase: "done" });
    expect(closed!.milliseconds).toBeGreaterThanOrEqual(0);
    expect(closed!.milliseconds).toBeLessThanOrEqual(Date.now() - before);
    expect(types()).toEqual(["wake", "open", "wake", "close"]);
    const [first, second] = await told("wake", 2);
    expect(first!.id.name).toBe(path);
    expect(second!.id.equals(first!.id)).toBe(true);
  });

  it("is told of what a callback threw, with an onError and without", async () => {
    const onError = vi.fn<() => void>();
    for (const more of [{ onError }, {}]) {
      events = [];
      const [, open] = serve({
        onText() {
          throw new RangeError("out");
        },
        ...more,
      });
      const client = await open();
      client.send("a");
      const [failed] = await told("error");
      expect(failed!.error).toMatchObject({ name: "RangeError", message: "out" });
      if (more.onError) await client.close(1000);
      const [closed] = await told("close");
      expect(closed!.closeReason.closeCode).toBe(more.onError ? 1000 : 1011);
    }
    expect(onError).toHaveBeenCalledTimes(1);
  });

  it("is told of a failed onOpen and of a failed onClose, and of no opening where there was none", async () => {
    const [, open] = serve({
      onOpen() {
        throw new Error("no");
      },
      onClose() {
        throw new Error("neither");
      },
    });
    await (
      await open()
    ).closed;
    const failures = await told("error", 2);
    expect(failures.map(({ error }) => error.message)).toEqual(["no", "neither"]);
    await told("close");
    expect(types()).toEqual(["wake", "error", "error", "close"]);
  });

  it("is told of handshakes that open no session, by whomever they are refused", async () => {
    const [, origin] = serve({ allowedOrigins: ["https://example.com"] });
    const [, hook] = serve({ onHandshake: () => new Response(null, { status: 401 }) });
    const [, fault] = serve({
      onHandshake() {
        throw new Error("a fault");
      },
    });
    await expect(origin({ Origin: "https://elsewhere.example" })).rejects.toThrow("403");
    await expect(hook()).rejects.toThrow("401");
    await expect(fault()).rejects.toThrow("500");
    const refusals = await told("refusal", 3);
    expect(refusals.map(({ status }) => status)).toEqual([403, 401, 500]);
    expect(refusals[0]!.request.headers.get("Origin")).toBe("https://elsewhere.example");
    expect(types()).toEqual(["refusal", "refusal", "refusal"]);
  });

  it("is not told of requests that want no session", async () => {
    const [path] = serve();
    expect((await worker.fetch(new Request(`https://socle.test${path}`))).status).toBe(426);
    expect(types()).toEqual([]);
  });

  it.each([
    ["throws", () => fail()],
    ["rejects", () => Promise.resolve().then(fail)],
  ])("stops nothing if it %s: the log is told", async (_, onEvent) => {
    const [, open] = serve({ onText: (_object, text, session) => session.asyncRemote.sendText(text) });
    listener.onEvent = onEvent;
    const client = await open();
    expect(await client.ask("a")).toBe("a");
    expect(await client.close(1000)).toMatchObject({ code: 1000 });
    await expect.poll(() => logged.mock.calls.length).toBe(3);
    const [wake, ...ofSession] = logged.mock.calls.map(
      ([what, error]) => [what, (error as Error).message] as unknown[],
    );
    expect(wake).toEqual(["socle: onEvent failed:", "from onEvent"]);
    for (const call of ofSession) {
      expect(call).toEqual([expect.stringMatching(/^socle: onEvent failed at \/[\w/-]+:$/), "from onEvent"]);
    }
  });

  it("must be a function", () => {
    expect(() => new ServerContainer({ onEvent: "log" as never })).toThrow(
      "A ServerContainer has an invalid onEvent: it must be a function.",
    );
  });
});
