// The library's own part of a message, without a runtime: dispatch, put, persist, with a socket that only counts.
//
//   node --cpu-prof bench/own-part.ts
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";

import { build } from "esbuild";

import { isPlain } from "../src/hibernation/plain-data.ts";

const root = join(import.meta.dirname, "..");

/** The acknowledgement of a client of `socle.v1` that has taken this many messages. */
function acknowledgement(count: number): ArrayBuffer {
  const bytes = [2];
  for (let rest = count; ; rest = Math.floor(rest / 128)) {
    bytes.push(rest < 128 ? rest : (rest % 128) + 128);
    if (rest < 128) return Uint8Array.from(bytes).buffer;
  }
}

interface Endpoints {
  fetch(request: object): Promise<unknown>;
  webSocketMessage(socket: CountingSocket, message: string | ArrayBuffer): unknown;
}

class CountingSocket {
  readonly extensions = "";
  readonly readyState = 1;
  sends = 0;
  writes = 0;
  #attached: unknown;

  send(): void {
    this.sends++;
  }

  accept(): void {}

  /** The platform's copy is not the library's part, so this copies only the one object that the bench has. */
  serializeAttachment(attached: unknown[] & { socle?: number }): void {
    this.writes++;
    const [kind, facts, object, ...rest] = attached;
    const copy: typeof attached = [kind, facts, isPlain(object) ? { ...object } : object, ...rest];
    // The mark is a property beside the items.
    copy.socle = attached.socle!;
    this.#attached = copy;
  }

  deserializeAttachment(): unknown {
    return this.#attached;
  }
}

const WORKER = `
  import { Endpoint, onOpenStartWsConnection, ServerContainer } from "socle";
  export const container = new ServerContainer();
  export class Echo extends Endpoint {
    onOpen() { return { name: "anonymous" }; }
    onText(user, text, session) { void session.asyncRemote.sendText(text); }
  }
  container.addEndpoint("/channel", { onOpen: onOpenStartWsConnection(), onText: (send, text) => send.put(text) });
  container.addEndpoint("/flow", {
    flowControl: true,
    onOpen: onOpenStartWsConnection(),
    onText: (send, text) => send.put(text),
  });
  container.addEndpoint("/changed", {
    onOpen: () => ({ name: "anonymous", messages: 0 }),
    onText: (user, text, session) => {
      user.messages++;
      void session.asyncRemote.sendText(text);
    },
  });
  container.addEndpoint("/class", Echo);
  export class Endpoints extends container.Endpoint {}`;

async function load(): Promise<Record<"Endpoints" | "Echo", new (ctx: object, env: object) => Endpoints>> {
  const folder = await mkdtemp(join(tmpdir(), "socle-bench-"));
  const outfile = join(folder, "worker.mjs");
  await build({
    stdin: { contents: WORKER, resolveDir: root },
    alias: {
      socle: join(root, "src/index.ts"),
      "cloudflare:workers": join(root, "bench/runtime.ts"),
    },
    bundle: true,
    format: "esm",
    target: "es2024",
    outfile,
  });
  const module = (await import(pathToFileURL(outfile).href)) as never;
  await rm(folder, { recursive: true });
  return module;
}

/** Nanoseconds per message: the median of many batches. */
export async function ownPart(): Promise<Record<string, { "ns a message": number; sends: number; writes: number }>> {
  let socket = new CountingSocket();
  const ctx = {
    id: { name: "own part" },
    storage: {
      kv: { list: () => [], put() {}, delete() {} },
      getAlarm() {},
      setAlarm() {},
      deleteAlarm() {},
      deleteAll() {},
      transaction() {},
      transactionSync() {},
    },
    acceptWebSocket() {},
    setWebSocketAutoResponse() {},
    getWebSockets: () => [],
    waitUntil() {},
    getHibernatableWebSocketEventTimeout: () => 1,
    setHibernatableWebSocketEventTimeout() {},
  };
  const before = { Response: globalThis.Response };
  Object.assign(globalThis, {
    scheduler: { wait: pause },
    WebSocketPair: class {
      0 = {};
      1 = (socket = new CountingSocket());
    },
    WebSocketRequestResponsePair: Object,
    // Node's Response doesn't accept status 101.
    Response: function () {},
  });
  try {
    const { Endpoints, Echo } = await load();
    const results: Record<string, { "ns a message": number; sends: number; writes: number }> = {};
    for (const [name, path, type] of [
      ["channel", "/channel", Endpoints],
      ["channel, flowControl", "/flow", Endpoints],
      ["class", "/class", Echo],
      ["changed object", "/changed", Endpoints],
    ] as const) {
      const object = new type(ctx, {});
      // As the router passes it on.
      const socle = { path, pathParameters: {}, negotiatedSubprotocol: path === "/flow" ? "socle.v1" : "" };
      const headers = new Headers({ Upgrade: "websocket" });
      await object.fetch({ url: `https://socle.test${path}`, headers, cf: { socle } });
      const BATCH = 200;
      const times: number[] = [];
      for (let batch = 0; batch < 3000; batch++) {
        const start = process.hrtime.bigint();
        for (let message = 0; message < BATCH; message++) {
          const { sends } = socket;
          await object.webSocketMessage(socket, "a message");
          // Under flow control the message leaves at the end of the turn.
          while (socket.sends === sends) await Promise.resolve();
        }
        // A client with a window of 32 kB acknowledges such messages about this often.
        // The first sent message is the settings.
        if (path === "/flow") void object.webSocketMessage(socket, acknowledgement(socket.sends - 1));
        times.push(Number(process.hrtime.bigint() - start) / BATCH);
        // Leaves time for the delayed write.
        if (batch % 100 === 0) await pause(25);
      }
      const sorted = times.slice(500).toSorted((a, b) => a - b);
      results[name] = {
        "ns a message": Math.round(sorted[sorted.length >> 1]!),
        sends: socket.sends / times.length / BATCH,
        writes: Math.round((socket.writes / times.length / BATCH) * 100) / 100,
      };
    }
    return results;
  } finally {
    Object.assign(globalThis, before);
  }
}

if (import.meta.main) console.table(await ownPart());
