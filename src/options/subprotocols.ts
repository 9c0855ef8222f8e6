// `subprotocols`: what an endpoint speaks, and what a client offers. On which they agree the handshake says.
import { PLAIN } from "../wire/frame.ts";
import { isList } from "./check.ts";
import type { Option } from "./option.ts";

export const subprotocols = {
  // The last is how clients offer positions: docs/protocol.md.
  checks: {
    subprotocols: [
      "an array of names, none of which begins with socle.topics.",
      isList(/^(?!socle\.topics\.)[\w!#$%&'*+.^`|~-]+$/),
    ],
  },
  defaults: { subprotocols: [] },
} as const satisfies Option<"subprotocols">;

/** The subprotocols that a client offers, and in a 101 the one that was agreed on. */
export const PROTOCOLS = "Sec-WebSocket-Protocol";

/** What is agreed on where nothing is: by Socle's clients, which are to know that the server was reached. */
export const plainly = (request: Request): string => (offeredBy(request).includes(PLAIN) ? PLAIN : "");

export const offeredBy = ({ headers }: Request): string[] => headers.get(PROTOCOLS)?.split(/\s*,\s*/) ?? [];
