// A server of `socle.v1` with topics and histories, written from docs/protocol.md alone. What comes to it, it keeps.
import { item, number } from "./flow-client.ts";
import type { Accept, Frame, Peer } from "./simulated-network.ts";

const utf8 = new TextDecoder();

/** What it does, beside being there. */
export interface ServerOptions {
  /** As the settings tell it. */
  request?: string;
  response?: string;
  maxPendingMessages?: number;
  rateLimit?: { messages: number; perMs: number };
  /** Those that it subscribes who comes. */
  topics?: readonly string[];
  /** How many publications a history keeps. */
  kept?: number;
  /** It doesn't speak `socle.v1`. */
  isPlain?: boolean;
  /** It knows none of Socle's names. */
  isForeign?: boolean;
  /** It tells no settings, as one of before did. */
  isTacit?: boolean;
  /** It answers to no heartbeat. */
  isMute?: boolean;
  /** What stands between tells the client the first name that it offered, whichever the server chose. */
  isFirstTold?: boolean;
}

interface History {
  epoch: string;
  /** Those that are kept, the last of which has the offset `newest`. */
  texts: string[];
  newest: number;
}

export class SimulatedServer {
  readonly options: ServerOptions;
  readonly peers = new Set<Peer>();
  /** What came, of each connection. */
  readonly received: { url: string; frames: Frame[] }[] = [];
  /** Heartbeats, which no callback hears of. */
  pings = 0;
  readonly histories = new Map<string, History>();
  /** How it would end who sends too much: at which times. */
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
      // An acknowledgement.
      if (typeof frame !== "string" && frame[0] === 2 && !isPlain && !isForeign) return;
      connection.frames.push(typeof frame === "string" || isPlain || isForeign ? frame : frame.subarray(1));
      this.onMessage(peer, frame);
    };
    peer.onclose = () => void this.peers.delete(peer);
    this.peers.add(peer);
    const knows = (name: string) => peer.protocols.includes(name);
    if (isForeign || isPlain || !knows("socle.v1"))
      return { protocol: !isForeign && knows("socle.plain") ? "socle.plain" : "" };
    // Behind the 101.
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

  /** It begins anew. */
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
