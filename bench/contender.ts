// A contender while it runs: workerd alone with its Worker, and a process of clients.
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

export type Work = "echo" | "room" | "slow" | "wake";

export interface Entry {
  readonly name: string;
  /** Of its Worker, in `contenders`. */
  readonly file: string;
  /** What it takes part in, if not in all. */
  readonly works?: readonly Work[];
}

export const FLOOR = "the floor";

/** The floor twice: what it differs from itself is the noise of the run. */
export const ENTRIES: readonly Entry[] = [
  { name: FLOOR, file: "floor" },
  { name: "the floor again", file: "floor" },
  { name: "Socle, channel", file: "socle-channel" },
  { name: "Socle, changed object", file: "socle-changed", works: ["echo"] },
  { name: "Socle, class", file: "socle-class" },
  { name: "PartyServer", file: "partyserver" },
  { name: "crossws", file: "crossws" },
];

const pin = (pid: number, core: number) => promisify(execFile)("taskset", ["--all-tasks", "-cp", `${core}`, `${pid}`]);

export class Contender {
  readonly name: string;
  readonly #disk: Disk;
  readonly #server: Server;
  readonly #clients: ChildProcess;
  readonly #gone: Promise<never>;

  private constructor(name: string, disk: Disk, server: Server, clients: ChildProcess) {
    this.name = name;
    this.#disk = disk;
    this.#server = server;
    this.#clients = clients;
    this.#gone = once(clients, "exit").then(() => Promise.reject(new Error(`${name}: the clients are gone`)));
    this.#gone.catch(() => {});
  }

  static async start({ name, file }: Entry): Promise<Contender> {
    const disk = await Disk.create(`bench/contenders/${file}.ts`);
    const server = await disk.start();
    const clients = fork(join(import.meta.dirname, "client.ts"), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    // Where both share a core, or change theirs, the same work takes a quarter more or less.
    await pin(server.pid!, 0);
    await pin(clients.pid!, 1);
    return new Contender(name, disk, server, clients);
  }

  /** Each room is an object of its own. */
  url(work: Work, room = "one"): string {
    return `ws://${this.#server.host}/bench/${work}/${room}`;
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

  /** Waits until the server has nothing left to do: no window may pay for another's. */
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
