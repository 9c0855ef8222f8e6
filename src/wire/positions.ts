// The positions with which a client reconnects, as the name of a subprotocol that is never negotiated.
import { decode, made } from "./frame.ts";

/** The prefix of the name. The base64url of a JSON object follows it, or nothing if there are no positions. */
export const TOPICS = "socle.topics.";

/** How many bytes of JSON fit in the 4,096 characters after it. */
const MOST = 3072;

/** UTF-8 as characters of one byte each. Not every platform has an encoder. */
const utf8 = (text: string): string =>
  encodeURIComponent(text).replace(/%(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));

/**
 * The name that offers positions, as many as fit; without any if the platform lacks `btoa`. If a topic occurs twice,
 * the first one counts.
 *
 * @throws a TypeError for anything but an iterable of pairs of texts
 */
export function topicsName(positions: Iterable<readonly [topic: string, position: string]>): string {
  const topics = new Set<string>();
  let json = "";
  // A value that can't be iterated fails as an invalid pair.
  for (const pair of Symbol.iterator in Object(positions) ? positions : [positions]) {
    const [topic, position] = [pair].flat();
    if (typeof topic !== "string" || typeof position !== "string") {
      throw new TypeError("positions must be a Map of strings.");
    }
    if (topics.has(topic)) continue;
    topics.add(topic);
    const more = utf8(`,${JSON.stringify({ [topic]: position }).slice(1, -1)}`);
    // One of the braces replaces the first comma.
    if (json.length + more.length >= MOST) break;
    json += more;
  }
  const text = made(() => btoa(json && `{${json.slice(1)}}`)) ?? "";
  return TOPICS + text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The positions in a name, by topic; none if it is malformed or too long. */
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
