// The order in which callbacks run, and messages for which there is no callback.
import { onOpenStartWsConnection } from "socle";
import { describe, expect, it } from "vitest";

import { Log, modes } from "./support/endpoint.ts";

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe.each(modes)("hibernate: $hibernate", ({ serve }) => {
  it("R11: answers messages in the order sent, however long each callback takes", async () => {
    const endpoint = serve({
      onOpen: onOpenStartWsConnection(),
      async onText(send, ms) {
        if (ms !== "0") await pause(Number(ms));
        await send.put(ms);
      },
    });
    const client = await endpoint.connect();
    client.send("120", "0", "60", "1", "0");
    expect(await client.take(5)).toEqual(["120", "0", "60", "1", "0"]);
  });

  it("R11: a session whose callback has not settled holds its own next message, and no other session", async () => {
    const log = new Log();
    let release = () => {};
    const endpoint = serve({
      onOpen: onOpenStartWsConnection(),
      async onText(send, text) {
        log.add(text);
        if (text === "hold") await new Promise<void>((resolve) => (release = resolve));
        await send.put(text);
        if (text === "release") release();
      },
    });
    const held = await endpoint.connect();
    const free = await endpoint.connect();
    held.send("hold", "behind");
    await log.has("hold");
    expect(await free.ask("release")).toBe("release");
    expect(await held.take(2)).toEqual(["hold", "behind"]);
    expect(log.entries).toEqual(["hold", "release", "behind"]);
  });

  it("R11: text and binary messages keep their order among each other", async () => {
    const log = new Log();
    const endpoint = serve({
      onText: async (_, text) => (await pause(10), log.add(text)),
      onBinary: (_, data) => log.add(data.byteLength),
    });
    const client = await endpoint.connect();
    client.send("a", new ArrayBuffer(1), "b", new ArrayBuffer(2));
    await log.has(2);
    expect(log.entries).toEqual(["a", 1, "b", 2]);
  });

  it("R10: onOpen runs to its end before the 101, and what it sends arrives after it, in order", async () => {
    const log = new Log();
    const bytes = new Uint8Array([1, 2, 3]);
    const endpoint = serve({
      async onOpen(session) {
        await session.asyncRemote.sendText("first");
        await pause(20);
        await session.asyncRemote.sendBinary(bytes);
        bytes.fill(9);
        void session.asyncRemote.sendText("third");
        log.add("opened");
      },
    });
    const client = await endpoint.connect();
    log.add("101");
    expect(log.entries).toEqual(["opened", "101"]);
    const [first, second, third] = await client.take(3);
    expect([first, new Uint8Array(second as ArrayBuffer), third]).toEqual([
      "first",
      new Uint8Array([1, 2, 3]),
      "third",
    ]);
  });

  it("R10: a session that ends inside onOpen is answered by a 101, its messages and its Close frame", async () => {
    const log = new Log();
    const endpoint = serve({
      onOpen(session) {
        void session.asyncRemote.sendText("full");
        session.close(4003, "come back later");
        return "object";
      },
      onClose: (object, session, reason) => log.add(object, session.isOpen, reason.closeCode, reason.reasonPhrase),
    });
    const client = await endpoint.connect();
    expect(await client.next()).toBe("full");
    expect(await client.closed).toEqual({ code: 4003, reason: "come back later", wasClean: true });
    expect(log.entries).toEqual([["object", false, 4003, "come back later"]]);
  });

  it("R13: a message without its callback is ignored", async () => {
    const endpoint = serve({ onOpen: onOpenStartWsConnection(), onText: (send, text) => send.put(text) });
    const client = await endpoint.connect();
    client.send(new ArrayBuffer(8));
    expect(await client.ask("still here")).toBe("still here");
    expect(client.unread).toEqual([]);

    const log = new Log();
    const binaryOnly = await serve({ onBinary: () => log.add("binary") }).connect();
    binaryOnly.send("text", new ArrayBuffer(1));
    await log.has("binary");
    expect(log.entries).toEqual(["binary"]);
  });
});
