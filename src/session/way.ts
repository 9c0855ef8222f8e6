// What the options of an endpoint do with its sessions: one part for each option, combined once.
import type { Limits } from "../hibernation/limits.ts";
import type { SessionDefinition, Subject } from "./subject.ts";

/** Takes a message of a session. */
type Take = (session: Subject, message: string | ArrayBuffer) => Promise<void> | undefined;

type Tell = (session: Subject) => void;

/** What one option does with a session. An endpoint's sessions only have the parts of options that it uses. */
export interface Part {
  /** The session was created: when it opens, and after each hibernation. */
  readonly join?: ((session: Subject, isAccepted: boolean) => void) | undefined;
  /** Runs before `onOpen`. Only one part has it. */
  readonly begin?: ((session: Subject) => Promise<void>) | undefined;
  /** Accepts the socket in another way than the hibernation API. Only one part has it. */
  readonly accept?: Tell | undefined;
  /** The socket was accepted. */
  readonly accepted?: Tell | undefined;
  /** Reads a frame that may have several messages, and takes each of them. Only one part has it. */
  readonly read?: Take | undefined;
  /** A message arrived: passes it on with `take`, or refuses it. */
  readonly receive?:
    | ((session: Subject, message: string | ArrayBuffer, take: Take) => Promise<void> | undefined)
    | undefined;
  /** A message was sent. */
  readonly sent?: Tell | undefined;
  /** Something other than a message arrived from the client. */
  readonly heard?: Tell | undefined;
}

/** The combined parts. A message passes only the options that its endpoint uses. */
export interface Way {
  readonly join: Part["join"];
  readonly begin: Part["begin"];
  readonly accept: Tell;
  readonly accepted: Part["accepted"];
  /** Receives a message, or a frame of several. */
  readonly receive: Take;
  /** Receives a single message. */
  readonly take: Take;
  readonly sent: Part["sent"];
  readonly heard: Part["heard"];
}

/** An endpoint with the way of its sessions. */
export interface Served extends SessionDefinition {
  readonly made: string;
  readonly way: Way;
  /** For a session that has limits of its own. */
  readonly wayOf: (limits: Limits) => Way;
}

const accept: Tell = ({ ctx, webSocket, tags }) =>
  tags.length > 0 ? ctx.acceptWebSocket(webSocket, [...tags]) : ctx.acceptWebSocket(webSocket);

const take: Take = ({ dispatch }, message) => dispatch.receive(message);

/** @param parts in the order in which they receive a message */
export function wayOf(parts: readonly Part[]): Way {
  const all = (name: "join" | "accepted" | "sent" | "heard"): Part["join"] => {
    const those = parts.map((part): Part["join"] => part[name]).filter((one) => one !== undefined);
    if (those.length < 2) return those[0];
    return (session, isAccepted) => {
      for (const one of those) one(session, isAccepted);
    };
  };
  const taken = parts.reduceRight<Take>(
    (next, { receive }) => (receive ? (session, message) => receive(session, message, next) : next),
    take,
  );
  return {
    join: all("join"),
    begin: parts.find(({ begin }) => begin)?.begin,
    accept: parts.find((part) => part.accept)?.accept ?? accept,
    accepted: all("accepted") as Part["accepted"],
    receive: parts.find(({ read }) => read)?.read ?? taken,
    take: taken,
    sent: all("sent") as Part["sent"],
    heard: all("heard") as Part["heard"],
  };
}
