// A running contender: workerd with its Worker alone, and a process of clients.
import { execFile, fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

import { Disk, type Server } from "../test/e2e/server.ts";
import type { Requests } from "./client.ts";

process.env.MINIFLARE_WORKERD_PATH = (createRequire(import.meta.url)("workerd") as { default: string }).default;

/** The work of every contender, by default. */
const COMMON = ["echo", "room", "slow", "wake", "opening"] as const;

/** Also the benefit and the cost of flow control; delays by a broadcast to thousands; the echo with a kept object that changes; topics; and shards. */
export type Work =
  | (typeof COMMON)[number]
  | ("stalled" | "burst" | "echo-flow")
  | "crowd"
  | "object"
  | ("publish" | "topic" | "history" | "subscription")
  | "shards";

export interface Entry {
  readonly name: string;
  /** The file of its Worker, in `contenders`. */
  readonly file: string;
  /** The work that it takes part in, if not all common work. */
  readonly works?: readonly Work[];
  /** The subprotocol that its clients speak. */
  readonly protocol?: string;
}

export const FLOOR = "the floor";

/** The reference for the cost of flow control itself. */
export const PLAIN = "Socle, channel";

/** The floor for contenders that keep an object for each connection. */
export const KEEPING = "the floor, keeping an object";

/** The floor for contenders that have topics. */
export const TOPICS = "the floor, with topics";

/** The reference for the cost of a publication itself: a message to all, without subscriptions. */
export const BROADCAST = "Socle, broadcast";

/** Its connections don't go through Socle's router, which separates the router's cost from the object's. */
export const PAST_ROUTER = "the floor's Worker, Socle's object";

/** The name under which a contender takes part a second time. */
export const again = (name: string): string => `${name}${name.includes(",") ? "," : ""} again`;

/** Each reference takes part twice: its difference from itself is the noise of the run. */
const ENTRIES: readonly Entry[] = [
  { name: FLOOR, file: "floor", works: [...COMMON, "stalled", "burst", "crowd"] },
  { name: again(FLOOR), file: "floor", works: [...COMMON, "crowd"] },
  { name: KEEPING, file: "floor-object", works: ["object"] },
  { name: again(KEEPING), file: "floor-object", works: ["object"] },
  { name: TOPICS, file: "floor-topics", works: ["publish", "topic", "history", "subscription", "shards"] },
  { name: again(TOPICS), file: "floor-topics", works: ["publish", "topic", "history", "subscription", "shards"] },
  { name: "the floor, with shards", file: "floor-shards", works: ["shards"] },
  { name: PLAIN, file: "socle-channel", works: [...COMMON, "echo-flow"] },
  { name: again(PLAIN), file: "socle-channel", works: ["echo-flow"] },
  { name: "Socle, class", file: "socle-class", works: [...COMMON, "crowd"] },
  { name: "Socle, changed object", file: "socle-changed", works: ["object"] },
  { name: "Socle, flowControl", file: "socle-flow", works: ["stalled", "burst", "echo-flow"], protocol: "socle.v1" },
  { name: "Socle, topics", file: "socle-topics", works: ["publish", "topic", "history", "subscription", "shards"] },
  { name: "Socle, shards", file: "socle-shards", works: ["shards"] },
  { name: BROADCAST, file: "socle-broadcast", works: ["publish"] },
  { name: PAST_ROUTER, file: "socle-past-router", works: ["opening"] },
  { name: "PartyServer", file: "partyserver", works: [...COMMON, "crowd"] },
  { name: "PartyServer, changed state", file: "partyserver-changed", works: ["object"] },
  { name: "PartyServer, tags", file: "partyserver-topics", works: ["publish", "topic"] },
  { name: "crossws", file: "crossws" },
  { name: "crossws, changed context", file: "crossws-changed", works: ["object"] },
  { name: "crossws, topics", file: "crossws-topics", works: ["publish", "topic"] },
];

/** The contenders that take part in the work. */
export const entriesFor = (work: Work): Entry[] =>
  ENTRIES.filter(({ works = COMMON as readonly Work[] }) => works.includes(work));

const pin = (pid: number, core: number) => promisify(execFile)("taskset", ["--all-tasks", "-cp", `${core}`, `${pid}`]);

export class Contender {
  readonly name: string;
  readonly protocol: string | undefined;
  readonly #disk: Disk;
  #server: Server;
  readonly #clients: ChildProcess;
  readonly #gone: Promise<never>;

  private constructor({ name, protocol }: Entry, disk: Disk, server: Server, clients: ChildProcess) {
    this.name = name;
    this.protocol = protocol;
    this.#disk = disk;
    this.#server = server;
    this.#clients = clients;
    this.#gone = once(clients, "exit").then(() => Promise.reject(new Error(`${name}: the clients are gone`)));
    this.#gone.catch(() => {});
  }

  /** @param v8Flags flags of the engine */
  static async start(entry: Entry, v8Flags: string[] = []): Promise<Contender> {
    const disk = await Disk.create(`bench/contenders/${entry.file}.ts`, [], [], v8Flags);
    const server = await disk.start();
    const clients = fork(join(import.meta.dirname, "client.ts"), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    // If server and clients share a core or change theirs, the same work takes a quarter more or less.
    await pin(server.pid!, 0);
    await pin(clients.pid!, 1);
    return new Contender(entry, disk, server, clients);
  }

  /**
   * Replaces the server's process with a new one. The clients stay.
   *
   * @returns the milliseconds until it listens
   */
  async restart(): Promise<number> {
    await this.#server.stop();
    const begun = performance.now();
    this.#server = await this.#disk.start();
    const ms = performance.now() - begun;
    await pin(this.#server.pid!, 0);
    return ms;
  }

  /** Each room is an object of its own. */
  url(work: Work, room = "one", query = ""): string {
    return `ws://${this.#server.host}/bench/${work}/${room}${query}`;
  }

  async ask<Name extends keyof Requests>(
    name: Name,
    request: Parameters<Requests[Name]>[0],
  ): Promise<Awaited<ReturnType<Requests[Name]>>> {
    const answered = new Promise<{ result: never; error?: string }>((resolve) =>
      this.#clients.once("message", resolve),
    );
    this.#clients.send({ name, request });
    const { result, error } = await Promise.race([answered, this.#gone]);
    if (error !== undefined) throw new Error(`${this.name}: ${error}`);
    return result;
  }

  /** The processor time of the server so far, of all its threads, in microseconds. */
  async cpu(): Promise<number> {
    const tasks = `/proc/${this.#server.pid}/task`;
    const threads = (await readdir(tasks)).map((id) => readFile(join(tasks, id, "schedstat"), "utf8"));
    const times = (await Promise.all(threads)).map((line) => Number(line.split(" ")[0]));
    return times.reduce((sum, time) => sum + time, 0) / 1000;
  }

  /** What the server has in memory, in bytes. */
  async memory(): Promise<number> {
    const status = await readFile(`/proc/${this.#server.pid}/status`, "utf8");
    return Number(/VmRSS:\s*(\d+) kB/.exec(status)![1]) * 1024;
  }

  /** Waits until the server is idle, so no window includes another's work. */
  async quiet(): Promise<void> {
    for (let before = await this.cpu(), calm = 0; calm < 2;) {
      await pause(30);
      const now = await this.cpu();
      calm = now - before < 1500 ? calm + 1 : 0;
      before = now;
    }
  }

  async stop(): Promise<void> {
    this.#clients.kill();
    await this.#server.stop();
    await this.#disk.remove();
  }
}
