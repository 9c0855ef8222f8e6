// The positions that a client comes back with, as the name of a subprotocol that nobody agrees on.
import { decode } from "./frame.ts";

/** What the name begins with. Behind it stands the base64url of a JSON object, or nothing if there are none. */
export const TOPICS = "socle.topics.";

/** How many bytes of JSON the 4,096 characters behind it hold. */
const MOST = 3072;

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** By hand, as not each platform has an encoder or `btoa`. */
const utf8 = (text: string): number[] =>
  encodeURIComponent(text)
    .match(/%..|./g)!
    .map((one) => (one[1] ? parseInt(one.slice(1), 16) : one.charCodeAt(0)));

/**
 * The name that offers positions, as many as fit. Of a topic that comes twice the first is taken.
 *
 * @throws a TypeError for what is no iterable of pairs of texts
 */
export function topicsName(positions: Iterable<readonly [topic: string, position: string]>): string {
  const refuse = () => {
    throw new TypeError(
      "The option positions has to be an iterable of [topic, position], both of them texts: a Map fits.",
    );
  };
  if (!(Symbol.iterator in Object(positions))) refuse();
  const bytes: number[] = [];
  const topics = new Set<string>();
  for (const pair of positions) {
    if (!Array.isArray(pair) || [0, 1].some((at) => typeof pair[at] !== "string")) refuse();
    const [topic, position] = pair;
    if (topics.has(topic)) continue;
    topics.add(topic);
    const more = utf8(`${bytes.length > 0 ? "," : "{"}${JSON.stringify(topic)}:${JSON.stringify(position)}`);
    // With the brace behind it.
    if (bytes.length + more.length >= MOST) break;
    bytes.push(...more);
  }
  if (bytes.length > 0) bytes.push(...utf8("}"));
  let name = TOPICS;
  for (let bit = 0; bit < bytes.length * 8; bit += 6) {
    const at = bit >> 3;
    name += DIGITS[(((bytes[at]! << 8) | bytes[at + 1]!) >> (10 - (bit & 7))) & 63];
  }
  return name;
}

/** The positions that a name offers, by their topics; none where it is malformed, or longer than it may be. */
export function readPositions(name: string): Map<string, string> {
  const [, offered] = /^socle\.topics\.([\w-]{1,4096})$/.exec(name) ?? [];
  try {
    const binary = atob(offered!.replaceAll("-", "+").replaceAll("_", "/"));
    const positions: unknown = JSON.parse(decode(Uint8Array.from(binary, (one) => one.charCodeAt(0))));
    if (Object(positions) !== positions || Array.isArray(positions)) return new Map();
    const pairs = Object.entries(positions as Record<string, string>);
    return new Map(pairs.every(([, position]) => typeof position === "string") ? pairs : []);
  } catch {
    return new Map();
  }
}
