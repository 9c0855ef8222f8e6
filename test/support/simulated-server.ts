// A server of `socle.v1` with topics and histories, written from docs/protocol.md alone. It records what it receives.
import { item, number } from "./flow-client.ts";
import type { Accept, Frame, Peer } from "./simulated-network.ts";

const utf8 = new TextDecoder();

/** The behaviour of the server. */
export interface ServerOptions {
  /** The heartbeat that the settings tell the client. */
  request?: string;
  response?: string;
  maxPendingMessages?: number;
  rateLimit?: { messages: number; perMs: number };
  /** The topics to which each client is subscribed. */
  topics?: readonly string[];
  /** How many publications a history keeps. */
  kept?: number;
  /** The server does not speak `socle.v1`. */
  isPlain?: boolean;
  /** The server knows no subprotocol of Socle. */
  isForeign?: boolean;
  /** The server sends no settings, like an older version. */
  isTacit?: boolean;
  /** The server does not answer heartbeats. */
  isMute?: boolean;
  /** A proxy in between answers with the first name that the client offered, whichever the server chose. */
  isFirstTold?: boolean;
}

interface History {
  epoch: string;
  /** The kept texts. The last one has the offset `newest`. */
  texts: string[];
  newest: number;
}

export class SimulatedServer {
  readonly options: ServerOptions;
  readonly peers = new Set<Peer>();
  /** The frames of each connection. */
  readonly received: { url: string; frames: Frame[] }[] = [];
  /** The number of heartbeats, which no callback gets. */
  pings = 0;
  readonly histories = new Map<string, History>();
  /** Called with each message, so that a test can check the rate. */
  onMessage: (peer: Peer, frame: Frame) => void = () => {};

  constructor(options: ServerOptions = {}) {
    this.options = { request: "socle:ping", response: "socle:pong", ...options };
    for (const topic of options.topics ?? []) this.clear(topic);
  }

  readonly accept: Accept = (peer) => {
    const {
      isForeign,
      isPlain,
      isTacit,
      isMute,
      isFirstTold,
      request = "",
      response = "",
      maxPendingMessages,
      rateLimit,
      topics = [],
    } = this.options;
    const connection = { url: peer.url, frames: [] as Frame[] };
    this.received.push(connection);
    peer.onmessage = (frame) => {
      if (frame === request) {
        this.pings++;
        return isMute ? undefined : peer.send(response);
      }
      // The frame is an acknowledgement.
      if (typeof frame !== "string" && frame[0] === 2 && !isPlain && !isForeign) return;
      connection.frames.push(typeof frame === "string" || isPlain || isForeign ? frame : frame.subarray(1));
      this.onMessage(peer, frame);
    };
    peer.onclose = () => void this.peers.delete(peer);
    this.peers.add(peer);
    const knows = (name: string) => peer.protocols.includes(name);
    if (isForeign || isPlain || !knows("socle.v1"))
      return { protocol: !isForeign && knows("socle.plain") ? "socle.plain" : "" };
    // These frames come after the 101.
    void Promise.resolve().then(() => {
      const texts = [response, request, maxPendingMessages, rateLimit?.messages, rateLimit?.perMs];
      if (!isTacit) peer.send(Uint8Array.of(3, ...number(262_144), ...texts.flatMap((one) => item(String(one ?? "")))));
      const positions = positionsOf(peer.protocols.find((name) => name.startsWith("socle.topics.")) ?? "");
      for (const topic of topics) this.#subscribe(peer, topic, positions[topic]);
    });
    return { protocol: isFirstTold ? peer.protocols[0]! : "socle.v1" };
  };

  publish(topic: string, text: string): void {
    const history = this.histories.get(topic)!;
    history.texts.push(text);
    history.newest++;
    if (history.texts.length > (this.options.kept ?? Infinity)) history.texts.shift();
    for (const peer of this.peers) peer.send(publications(topic, history, [text]));
  }

  /** Starts the topic again, with a new epoch. */
  clear(topic: string): void {
    this.histories.set(topic, { epoch: `e${Math.random().toString(36).slice(2)}`, texts: [], newest: 0 });
  }

  closeAll(code: number): void {
    for (const peer of this.peers) peer.close(code);
    this.peers.clear();
  }

  #subscribe(peer: Peer, topic: string, since: string | undefined): void {
    const history = this.histories.get(topic)!;
    const { epoch, texts, newest } = history;
    const [of, offset] = since?.split(".") ?? [];
    const missed = newest - Number(offset);
    const isRecovered = of === epoch && missed >= 0 && missed <= texts.length;
    const place = isRecovered ? Number(offset) : newest;
    peer.send(Uint8Array.of(5, Number(isRecovered), ...number(place), ...item(topic), ...item(epoch)));
    if (isRecovered && missed > 0) peer.send(publications(topic, history, texts.slice(-missed)));
  }
}

const publications = (topic: string, { epoch, newest }: History, texts: readonly string[]): Uint8Array =>
  Uint8Array.of(4, ...number(newest - texts.length + 1), ...item(topic), ...item(epoch), ...texts.flatMap(item));

function positionsOf(name: string): Record<string, string> {
  const json = atob(name.slice("socle.topics.".length).replaceAll("-", "+").replaceAll("_", "/"));
  return json
    ? (JSON.parse(utf8.decode(Uint8Array.from(json, (one) => one.charCodeAt(0)))) as Record<string, string>)
    : {};
}
