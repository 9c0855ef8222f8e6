// `subprotocols`: the names that an endpoint speaks and those that a client offers. handshake.ts negotiates.
import { PLAIN } from "../wire/frame.ts";
import { isList } from "./check.ts";
import type { Option } from "./option.ts";

export const subprotocols = {
  // Clients offer positions under a name with this prefix: docs/protocol.md.
  checks: {
    subprotocols: [
      "an array of names, none of which begins with socle.topics.",
      isList(/^(?!socle\.topics\.)[\w!#$%&'*+.^`|~-]+$/),
    ],
  },
  defaults: { subprotocols: [] },
} as const satisfies Option<"subprotocols">;

/** The header with the subprotocols that a client offers, and in a 101 with the negotiated one. */
export const PROTOCOLS = "Sec-WebSocket-Protocol";

/** Negotiated if nothing else is, for Socle's clients, which have to know that they reached the server. */
export const plainly = (request: Request): string => (offeredBy(request).includes(PLAIN) ? PLAIN : "");

export const offeredBy = ({ headers }: Request): string[] => headers.get(PROTOCOLS)?.split(/\s*,\s*/) ?? [];
