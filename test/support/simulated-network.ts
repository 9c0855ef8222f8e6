// Connections without a network: frames arrive late or never, as the test says.
import type { SimulatedClock } from "./simulated-clock.ts";

export type Frame = string | Uint8Array;

/** The server's end of a connection. */
export interface Peer {
  readonly protocols: readonly string[];
  readonly url: string;
  /** Sends to the client. */
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
  /** The delay of the next frame in milliseconds. A frame never overtakes an earlier one. */
  latency: () => number = () => 10;
  /** If true, nothing arrives any more, and neither end learns of it. */
  isSilent = false;
  /** If true, new connections are refused. */
  isRefusing = false;
  /** The time of each attempt to connect. */
  readonly attempts: number[] = [];
  /** The subprotocols of each attempt. */
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

  /** The number of connections that are open or opening. */
  get open(): number {
    return [...this.sockets].filter(({ readyState }) => readyState < 2).length;
  }

  /** Breaks the open connections. Each end learns of it at its own time, and frames on their way are lost. */
  cut(): void {
    for (const socket of this.sockets) socket.cut();
  }

  /** Makes the open connections lose every frame, also when the network is back. */
  freeze(): void {
    for (const socket of this.sockets) socket.isFrozen = true;
  }
}

/** The platform's `WebSocket`, as far as a client uses it. */
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
      // A client that offered subprotocols refuses any other, as browsers do.
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
    // The platform gives up if no answer comes.
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

  /** @returns when the frame arrives */
  #deliver(former: number, run: () => void): number {
    const { clock, latency } = this.#network;
    const at = Math.max(former, clock.time + latency());
    // After a lost frame, all later frames are lost too.
    this.isFrozen ||= this.#network.isSilent;
    clock.after(at - clock.time, () => {
      this.isFrozen ||= this.#network.isSilent;
      if (!this.isFrozen) run();
    });
    return at;
  }
}
