// The positions that a client comes back with, as the name of a subprotocol that nobody agrees on.
import { decode, made } from "./frame.ts";

/** What the name begins with. Behind it stands the base64url of a JSON object, or nothing if there are none. */
export const TOPICS = "socle.topics.";

/** How many bytes of JSON the 4,096 characters behind it hold. */
const MOST = 3072;

/** UTF-8 as characters of a byte each. Not each platform has an encoder. */
const utf8 = (text: string): string =>
  encodeURIComponent(text).replace(/%(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));

/**
 * The name that offers positions, as many as fit; none where the platform lacks `btoa`. Of a topic that comes twice the first
 * is taken.
 *
 * @throws a TypeError for what is no iterable of pairs of texts
 */
export function topicsName(positions: Iterable<readonly [topic: string, position: string]>): string {
  const topics = new Set<string>();
  let json = "";
  // What can't be iterated is no pair either.
  for (const pair of Symbol.iterator in Object(positions) ? positions : [positions]) {
    const [topic, position] = [pair].flat();
    if (typeof topic !== "string" || typeof position !== "string") {
      throw new TypeError("positions must be a Map of strings.");
    }
    if (topics.has(topic)) continue;
    topics.add(topic);
    const more = utf8(`,${JSON.stringify({ [topic]: position }).slice(1, -1)}`);
    // One of the braces takes the place of the first comma.
    if (json.length + more.length >= MOST) break;
    json += more;
  }
  const text = made(() => btoa(json && `{${json.slice(1)}}`)) ?? "";
  return TOPICS + text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
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
