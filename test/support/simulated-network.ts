// Connections without a network: what is sent arrives late, or never, as the test says.
import type { SimulatedClock } from "./simulated-clock.ts";

export type Frame = string | Uint8Array;

/** The server's end of a connection. */
export interface Peer {
  readonly protocols: readonly string[];
  readonly url: string;
  /** To the client. */
  send(frame: Frame): void;
  close(code: number, reason?: string): void;
  onmessage(frame: Frame): void;
  onclose(code: number): void;
}

export type Accept = (peer: Peer) => { protocol: string } | undefined;

const copyOf = (frame: string | ArrayBuffer | ArrayBufferView): Frame =>
  typeof frame === "string"
    ? frame
    : new Uint8Array(
        ArrayBuffer.isView(frame)
          ? (frame.buffer.slice(frame.byteOffset, frame.byteOffset + frame.byteLength) as ArrayBuffer)
          : frame.slice(0),
      );

export class SimulatedNetwork {
  readonly clock: SimulatedClock;
  /** How long what is sent is on its way, in milliseconds: asked for each, which never overtakes what was before. */
  latency: () => number = () => 10;
  /** Nothing arrives any more, and nobody is told. */
  isSilent = false;
  /** Who connects is refused. */
  isRefusing = false;
  /** Each attempt at its time. */
  readonly attempts: number[] = [];
  /** What each offers. */
  readonly offered: (readonly string[])[] = [];
  readonly sockets = new Set<SimulatedWebSocket>();
  readonly WebSocket: new (url: string, protocols: readonly string[]) => SimulatedWebSocket;

  constructor(clock: SimulatedClock, accept: Accept) {
    this.clock = clock;
    // oxlint-disable-next-line typescript/no-this-alias -- the class has one of its own
    const network = this;
    this.WebSocket = class extends SimulatedWebSocket {
      constructor(url: string, protocols: readonly string[]) {
        super(network, accept, url, protocols);
      }
    };
  }

  /** Open, or opening. */
  get open(): number {
    return [...this.sockets].filter(({ readyState }) => readyState < 2).length;
  }

  /** The connections that there are break, each end at its time: what is on its way is lost. */
  cut(): void {
    for (const socket of this.sockets) socket.cut();
  }

  /** The connections that there are go on into nothing, also when the network is back. */
  freeze(): void {
    for (const socket of this.sockets) socket.isFrozen = true;
  }
}

/** The platform's class, as a client uses it. */
export class SimulatedWebSocket extends EventTarget {
  readonly url: string;
  readonly extensions = "";
  protocol = "";
  readyState = 0;
  isFrozen = false;
  readonly #network: SimulatedNetwork;
  readonly #peer: Peer;
  #isServerOpen = false;
  #toServer = 0;
  #toClient = 0;

  constructor(network: SimulatedNetwork, accept: Accept, url: string, protocols: readonly string[]) {
    super();
    this.url = url;
    this.#network = network;
    this.#peer = {
      protocols,
      url: this.url,
      send: (frame) => {
        const data = copyOf(frame);
        this.#down(() => {
          if (this.readyState !== 1) return;
          this.dispatchEvent(new MessageEvent("message", { data: typeof data === "string" ? data : data.buffer }));
        });
      },
      close: (code, reason = "") => {
        if (!this.#isServerOpen) return;
        this.#isServerOpen = false;
        this.#down(() => this.#end(code, reason, true));
      },
      onmessage() {},
      onclose() {},
    };
    network.attempts.push(network.clock.time);
    network.offered.push(protocols);
    network.sockets.add(this);
    this.#up(() => {
      const agreed = network.isRefusing ? undefined : accept(this.#peer);
      // As clients do that have offered some.
      if (!agreed || (protocols.length > 0 && !protocols.includes(agreed.protocol)))
        return this.#down(() => this.#end(1006, "", false));
      this.#isServerOpen = true;
      this.#down(() => {
        if (this.readyState !== 0) return;
        this.protocol = agreed.protocol;
        this.readyState = 1;
        this.dispatchEvent(new Event("open"));
      });
    });
  }

  send(data: string | ArrayBuffer | ArrayBufferView): void {
    if (this.readyState === 0) throw new Error("It is still connecting.");
    if (this.readyState !== 1) return;
    const frame = copyOf(data);
    this.#up(() => this.#isServerOpen && this.#peer.onmessage(frame));
  }

  close(code = 1005, reason = ""): void {
    if (code !== 1005 && code !== 1000 && !(code >= 3000 && code < 5000)) throw new Error(`It takes no ${code}.`);
    if (reason.length > 123) throw new Error("It takes no reason of this length.");
    if (this.readyState > 1) return;
    this.readyState = 2;
    // Where no answer comes the platform gives up.
    this.#network.clock.after(30_000, () => this.#end(1006, "", false));
    this.#up(() => {
      if (!this.#isServerOpen) return;
      this.#isServerOpen = false;
      this.#peer.onclose(code);
      this.#down(() => this.#end(code, reason, true));
    });
  }

  cut(): void {
    this.#network.sockets.delete(this);
    this.isFrozen = true;
    const { clock, latency } = this.#network;
    clock.after(latency(), () => {
      if (this.#isServerOpen) this.#peer.onclose(1006);
      this.#isServerOpen = false;
    });
    clock.after(latency(), () => this.#end(1006, "", false));
  }

  #end(code: number, reason: string, wasClean: boolean): void {
    this.#network.sockets.delete(this);
    if (this.readyState === 3) return;
    this.readyState = 3;
    if (!wasClean) this.dispatchEvent(new Event("error"));
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason, wasClean }));
  }

  #up(run: () => void): void {
    this.#toServer = this.#deliver(this.#toServer, run);
  }

  #down(run: () => void): void {
    this.#toClient = this.#deliver(this.#toClient, run);
  }

  /** @returns when it arrives */
  #deliver(former: number, run: () => void): number {
    const { clock, latency } = this.#network;
    const at = Math.max(former, clock.time + latency());
    // What is lost once holds all that is behind it.
    this.isFrozen ||= this.#network.isSilent;
    clock.after(at - clock.time, () => {
      this.isFrozen ||= this.#network.isSilent;
      if (!this.isFrozen) run();
    });
    return at;
  }
}
