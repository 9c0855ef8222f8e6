// A client in a simulated network, and the events that it emits.
import { SocleClient, type ClientStatusEvent, type SocleClientOptions } from "socle/client";
import { vi } from "vitest";

import { SimulatedClock } from "./simulated-clock.ts";
import { SimulatedNetwork } from "./simulated-network.ts";
import { SimulatedServer, type ServerOptions } from "./simulated-server.ts";

class CountingTarget extends EventTarget {
  listeners = 0;

  override addEventListener(...given: Parameters<EventTarget["addEventListener"]>): void {
    this.listeners++;
    super.addEventListener(...given);
  }

  override removeEventListener(...given: Parameters<EventTarget["removeEventListener"]>): void {
    this.listeners--;
    super.removeEventListener(...given);
  }
}

/** The parts of a page's window and document that a client uses. */
export class SimulatedPage {
  readonly window = new CountingTarget();
  readonly document = Object.assign(new CountingTarget(), { hidden: false });

  constructor() {
    vi.stubGlobal("addEventListener", (...given: Parameters<EventTarget["addEventListener"]>) =>
      this.window.addEventListener(...given),
    );
    vi.stubGlobal("removeEventListener", (...given: Parameters<EventTarget["removeEventListener"]>) =>
      this.window.removeEventListener(...given),
    );
    vi.stubGlobal("document", this.document);
    vi.stubGlobal("navigator", { onLine: true });
  }

  /** The number of listeners on both. */
  get listeners(): number {
    return this.window.listeners + this.document.listeners;
  }

  online(isOnline: boolean): void {
    vi.stubGlobal("navigator", { onLine: isOnline });
    this.window.dispatchEvent(new Event(isOnline ? "online" : "offline"));
  }

  show(isShown: boolean): void {
    this.document.hidden = !isShown;
    this.document.dispatchEvent(new Event("visibilitychange"));
  }
}

export class Simulation {
  readonly clock = new SimulatedClock();
  readonly server: SimulatedServer;
  readonly network: SimulatedNetwork;
  /** The client's events, as short texts. */
  readonly told: string[] = [];
  readonly statuses: { status: string; mayBeLost: number; code?: number | undefined; error?: unknown }[] = [];

  constructor(options: ServerOptions = {}) {
    this.server = new SimulatedServer(options);
    this.network = new SimulatedNetwork(this.clock, (peer) => this.server.accept(peer));
  }

  client(
    options: SocleClientOptions = {},
    url: ConstructorParameters<typeof SocleClient>[0] = "ws://a.test/",
  ): SocleClient {
    const client = new SocleClient(url, { WebSocket: this.network.WebSocket, ...options });
    client.addEventListener("status", ({ status, mayBeLost, code, error }: ClientStatusEvent) => {
      this.statuses.push({ status, mayBeLost, code, error });
      this.told.push(status);
    });
    client.addEventListener("open", () => void this.told.push("opened"));
    client.addEventListener("message", ({ data }) => void this.told.push(`got ${String(data)}`));
    client.addEventListener("close", ({ code, mayBeLost }) => void this.told.push(`ended ${code} ${mayBeLost}`));
    return client;
  }

  /** The messages that the server received, for each connection. */
  get received(): unknown[][] {
    return this.server.received.map(({ frames }) => frames);
  }
}
