// A network between a client and its server, which a test can cut, stall, refuse and slow down.
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/** The direction of bytes: from the clients up to the server, or down to them. */
export type Direction = "up" | "down";

const DIRECTIONS: readonly Direction[] = ["up", "down"];

/** The two connections that make up one connection of a client. */
class Link {
  readonly #ends: Record<Direction, Socket>;
  readonly #proxy: Proxy;

  constructor(client: Socket, server: Socket, proxy: Proxy) {
    this.#ends = { up: client, down: server };
    this.#proxy = proxy;
    this.#forward("up", client, server);
    this.#forward("down", server, client);
    this.look();
  }

  /** Reads only what it may pass on. Everything else stays in the kernel. */
  look(): void {
    for (const direction of DIRECTIONS) {
      const end = this.#ends[direction];
      if (this.#proxy.isStalled(direction)) end.pause();
      else end.resume();
    }
  }

  /** Both ends get an RST. */
  cut(): void {
    for (const direction of DIRECTIONS) this.#ends[direction].resetAndDestroy();
  }

  #forward(direction: Direction, from: Socket, to: Socket): void {
    let sending = Promise.resolve();
    const later = (send: () => void) => {
      const due = performance.now() + this.#proxy.delayMs;
      sending = sending.then(async () => {
        const rest = due - performance.now();
        if (rest > 0) await pause(rest);
        if (!to.destroyed) send();
      });
    };
    from.setNoDelay();
    from.on("data", (data) => {
      this.#proxy.bytes[direction] += data.length;
      later(() => to.write(data));
    });
    from.on("end", () => later(() => to.end()));
    // The close follows.
    from.on("error", () => {});
    from.on("close", (hasFailed) => {
      if (hasFailed) this.cut();
      this.#proxy.links.delete(this);
    });
  }
}

export class Proxy {
  readonly links = new Set<Link>();
  /** How many bytes have passed in each direction. */
  readonly bytes: Record<Direction, number> = { up: 0, down: 0 };
  /** How many connections clients have opened. */
  count = 0;
  /** The delay of bytes in each direction. */
  delayMs = 0;
  /** How many of the next connections are cut as soon as they are open. */
  cutsNext = 0;
  readonly #stalled = new Set<Direction>();
  readonly #listener: Server;
  #port = 0;

  /** @param target the host and port of the server; a function, because a server that starts again has another port */
  private constructor(readonly target: () => string) {
    this.#listener = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  static async to(target: () => string): Promise<Proxy> {
    const proxy = new Proxy(target);
    await proxy.admit();
    return proxy;
  }

  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  isStalled(direction: Direction): boolean {
    return this.#stalled.has(direction);
  }

  /** Ends all connections at once, without a Close frame. */
  cut(links: Iterable<Link> = this.links): void {
    for (const link of links) link.cut();
  }

  /** From now on nothing passes, on open connections and on new ones, which are still accepted. */
  stall(...directions: Direction[]): void {
    for (const direction of directions.length > 0 ? directions : DIRECTIONS) this.#stalled.add(direction);
    for (const link of this.links) link.look();
  }

  /** Passes on what was held. */
  resume(...directions: Direction[]): void {
    for (const direction of directions.length > 0 ? directions : DIRECTIONS) this.#stalled.delete(direction);
    for (const link of this.links) link.look();
  }

  /** Refuses new connections (ECONNREFUSED). Open connections stay. */
  refuse(): void {
    this.#listener.close();
  }

  async admit(): Promise<void> {
    if (this.#listener.listening) return;
    this.#listener.listen(this.#port, "127.0.0.1");
    await once(this.#listener, "listening");
    this.#port = (this.#listener.address() as AddressInfo).port;
  }

  stop(): void {
    this.#listener.close();
    this.cut();
  }

  #accept(client: Socket): void {
    this.count++;
    if (this.cutsNext > 0) {
      this.cutsNext--;
      client.resetAndDestroy();
      return;
    }
    const [host, port] = this.target().split(":") as [string, string];
    const server = connect({ host, port: Number(port), allowHalfOpen: true });
    this.links.add(new Link(client, server, this));
  }
}
