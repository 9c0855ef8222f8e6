// Workers that serve TCP, and their clients. Each message and the close are awaited; nothing sleeps.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { get, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { WebSocket } from "ws";

import { FrameReader, SETTINGS } from "../../src/wire/frame.ts";
import { readSettings, type Settings } from "../../src/wire/settings.ts";
import { tell } from "./worker-log.ts";

const root = join(import.meta.dirname, "../..");

/** Another compatibility date of the Workers, to see what still works with it. */
const { COMPATIBILITY_DATE: DATE = "2026-10-01" } = process.env;

export interface Closed {
  code: number;
  reason: string;
}

export class Client {
  readonly closed: Promise<Closed>;
  /** The headers of the 101. */
  headers: IncomingHttpHeaders = {};
  readonly #received: (string | Uint8Array)[] = [];
  #arrived = () => {};

  constructor(readonly socket: WebSocket) {
    socket.on("message", (data, isBinary) => {
      this.#received.push(isBinary ? new Uint8Array(data as Buffer) : (data as Buffer).toString());
      this.#arrived();
    });
    // A failure here is followed by the close.
    socket.on("upgrade", ({ headers }) => (this.headers = headers));
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  send(...messages: (string | Uint8Array)[]): void {
    for (const message of messages) this.socket.send(message);
  }

  /** The next message. The test's own time limit bounds the wait. */
  async next(): Promise<string | Uint8Array> {
    while (this.#received.length === 0) {
      const arrived = new Promise<void>((resolve) => (this.#arrived = resolve));
      const closed = await Promise.race([arrived, this.closed]);
      if (closed && this.#received.length === 0) throw new Error(`No message, but the close with ${closed.code}`);
    }
    return this.#received.shift()!;
  }

  async take(count: number): Promise<(string | Uint8Array)[]> {
    const messages = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  /** Takes the settings, which a server that speaks `socle.v1` sends first. */
  async settings(): Promise<Settings> {
    const frame = await this.next();
    if (frame[0] !== SETTINGS) throw new Error(`No settings, but ${frame.length} bytes`);
    return readSettings(new FrameReader(Uint8Array.from(frame as Uint8Array).buffer));
  }

  async json(): Promise<unknown> {
    return JSON.parse((await this.next()) as string);
  }

  /** The messages that arrived and were not taken. */
  get unread(): readonly (string | Uint8Array)[] {
    return this.#received;
  }

  close(code?: number): Promise<Closed> {
    this.socket.close(code);
    return this.closed;
  }

  /** Leaves without a Close frame. */
  vanish(): Promise<Closed> {
    this.socket.terminate();
    return this.closed;
  }

  /** The connection under the socket. */
  get connection(): Socket {
    const { _socket, _req } = this.socket as unknown as { _socket?: Socket; _req?: { socket: Socket } };
    return (_socket ?? _req?.socket)!;
  }
}

export class Server {
  constructor(
    readonly host: string,
    readonly stop: () => Promise<void>,
    readonly pid?: number,
    /** What it has printed. */
    readonly output: () => string = () => "",
  ) {}

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(`http://${this.host}${path}`, init);
  }

  async text(path: string): Promise<string> {
    return (await this.fetch(path)).text();
  }

  /** The answer that refuses a handshake with any headers. */
  async upgrade(path: string, headers: Record<string, string>): Promise<IncomingMessage> {
    const request = get(`http://${this.host}${path}`, {
      headers: {
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Key": btoa("sixteen bytes it"),
        ...headers,
      },
    });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    response.resume();
    return response;
  }

  /** A client that has only begun its handshake. */
  begin(path: string, headers: Record<string, string> = {}): Client {
    return new Client(new WebSocket(`ws://${this.host}${path}`, { headers }));
  }

  async connect(path: string, headers?: Record<string, string>): Promise<Client> {
    const client = this.begin(path, headers);
    await once(client.socket, "open");
    return client;
  }
}

/** The environment of a tool: it sends no requests of its own, and finds no Workers of other tools. */
export const quiet = (state: string) => ({
  ...process.env,
  CI: "1",
  NODE_ENV: "",
  NO_COLOR: "1",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_REGISTRY_PATH: join(state, "registry"),
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_WRITE_LOGS: "false",
});

/**
 * Runs a tool that serves Workers, and waits until it is ready.
 *
 * @param args of Node: the tool's script, and its options
 * @param folder in which it runs
 * @param announcement what it prints when it is ready; its first group is the host
 * @param state the folder of its state
 * @param node the Node that runs it
 */
export async function launch(
  args: readonly string[],
  folder: string,
  announcement: RegExp,
  state: string,
  node = process.execPath,
): Promise<Server> {
  const child = spawn(node, args, {
    cwd: folder,
    // It leads a process group, so that the processes that it starts can be stopped with it.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: quiet(state),
  });
  let output = "";
  // Reads the port that the tool took. Another process could take a port that was chosen beforehand.
  const ready = new Promise<string>((resolve) => {
    const read = (data: Buffer) => {
      output += data.toString();
      const told = announcement.exec(output);
      if (told) resolve(told[1]!);
    };
    for (const stream of [child.stdout, child.stderr]) stream.on("data", read);
  });
  const exited = once(child, "exit");
  const signal = (name: NodeJS.Signals) => {
    try {
      process.kill(-child.pid!, name);
    } catch {
      // The group has no processes any more.
    }
  };
  const abandon = () => signal("SIGKILL");
  process.once("exit", abandon);

  async function stop(): Promise<void> {
    signal("SIGTERM");
    await Promise.race([exited, pause(10_000, undefined, { ref: false })]);
    abandon();
    await exited;
    process.off("exit", abandon);
    await rm(state, { recursive: true, force: true });
  }

  const host = await Promise.race([ready, exited.then(() => undefined), pause(50_000, undefined, { ref: false })]);
  if (host) return new Server(host, stop, child.pid, () => output);
  await stop();
  throw new Error(`${args.join(" ")} is not ready:\n${output}`);
}

/**
 * Runs `wrangler dev`, and waits until it is ready.
 *
 * @param config the configuration of the Worker that gets the requests, then those of other Workers
 * @param folder the folder of wrangler, to which the path of the configuration is relative
 * @param more more options of wrangler
 * @param node the Node that runs it
 */
export async function wranglerDev(
  config: string | readonly string[],
  folder = root,
  date = DATE,
  more: readonly string[] = [],
  node?: string,
): Promise<Server> {
  const state = await mkdtemp(join(tmpdir(), "socle-e2e-"));
  const configs = [config].flat().flatMap((one) => ["--config", one]);
  const ports = ["--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0"];
  const options = [...configs, ...ports, "--persist-to", state, "--compatibility-date", date, ...more];
  const wrangler = join(folder, "node_modules/wrangler/bin/wrangler.js");
  return launch([wrangler, "dev", ...options], folder, /Ready on http:\/\/(127\.0\.0\.1:\d+)/, state, node);
}

/** A Worker as one module, and the names of the classes that it exports. */
async function bundle(
  entry: string,
  minify = false,
  alias: Record<string, string> = {},
): Promise<{ contents: string; classes: string[] }> {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(root, entry)],
    bundle: true,
    format: "esm",
    target: "es2024",
    minify,
    alias,
    external: ["cloudflare:*", "workerd:*", "node:*"],
    metafile: true,
    write: false,
  });
  const classes = Object.values(metafile.outputs)[0]!.exports.filter((name) => name !== "default");
  return { contents: outputFiles[0]!.text, classes };
}

/**
 * Runs a Worker as the only one in workerd, without a proxy between it and its clients.
 *
 * @param minify minifies as production builds do, which renames the classes
 * @param vars texts for its `env`
 * @param alias files that replace modules
 */
export async function workerd(
  entry: string,
  {
    minify = false,
    compatibilityDate = DATE,
    vars = {},
    alias = {},
  }: {
    minify?: boolean;
    compatibilityDate?: string;
    vars?: Record<string, string>;
    alias?: Record<string, string>;
  } = {},
): Promise<Server> {
  const { contents, classes } = await bundle(entry, minify, alias);
  const durableObject = { type: "durable-object", storage: "sqlite" } as const;
  const miniflare = new Miniflare({
    handleStructuredLogs: tell,
    workers: [
      {
        config: {
          name: "socle-e2e",
          compatibilityDate,
          manifest: { mainModule: "worker.js", modulesRoot: root, modules: { "worker.js": { type: "esm", contents } } },
          exports: Object.fromEntries(classes.map((name) => [name, durableObject])),
          env: Object.fromEntries(
            Object.entries(vars).map(([name, value]) => [name, { type: "text", value } as const]),
          ),
        },
      },
    ],
  });
  const { host } = await miniflare.ready;
  return new Server(host, () => miniflare.dispose());
}

/** The storage of a Worker whose process is killed and started again. */
export class Disk {
  private constructor(readonly path: string) {}

  /**
   * @param plain the names of the classes that have no SQLite
   * @param flags compatibility flags, also experimental ones
   * @param v8Flags flags of the engine
   */
  static async create(
    entry: string,
    plain: string[] = [],
    flags: string[] = [],
    v8Flags: string[] = [],
  ): Promise<Disk> {
    const { contents, classes } = await bundle(entry);
    const path = await mkdtemp(join(tmpdir(), "socle-e2e-"));
    const namespaces = classes.map(
      (name) => `(className = "${name}", uniqueKey = "${name}", enableSql = ${!plain.includes(name)})`,
    );
    const bindings = classes.map((name) => `(name = "${name}", durableObjectNamespace = "${name}")`);
    const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "disk", disk = (path = "${path}", writable = true)),
    (name = "worker", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")],
      compatibilityDate = "${DATE}",
      compatibilityFlags = ${JSON.stringify(flags)},
      bindings = [${bindings.join()}],
      durableObjectNamespaces = [${namespaces.join()}],
      durableObjectStorage = (localDisk = "disk"),
    )),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "worker")],
  v8Flags = ${JSON.stringify(v8Flags)},
);
`;
    await writeFile(join(path, "worker.js"), contents);
    await writeFile(join(path, "config.capnp"), config);
    return new Disk(path);
  }

  /** Starts the process. Stopping it kills it. */
  async start(): Promise<Server> {
    const options = ["serve", join(this.path, "config.capnp"), "--control-fd=3", "--experimental"];
    const child = spawn(process.env.MINIFLARE_WORKERD_PATH!, options, {
      stdio: ["ignore", "ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stderr!.on("data", (data: Buffer) => (output += data.toString()));
    const exited = once(child, "exit");
    const kill = () => void child.kill("SIGKILL");
    process.once("exit", kill);
    const listening = once(child.stdio[3]!, "data") as Promise<[Buffer]>;
    const told = await Promise.race([listening, exited.then(() => undefined)]);
    if (!told) throw new Error(`workerd has not started:\n${output}`);
    const { port } = JSON.parse(told[0].toString()) as { port: number };
    const stop = async () => {
      kill();
      await exited;
      process.off("exit", kill);
    };
    return new Server(`127.0.0.1:${port}`, stop, child.pid);
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true, force: true });
  }
}
