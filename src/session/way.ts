// What the options of an endpoint do with its sessions: a part of each, put together once.
import type { Limits } from "../hibernation/limits.ts";
import type { SessionDefinition, Subject } from "./subject.ts";

/** Takes a message of a session. */
type Take = (session: Subject, message: string | ArrayBuffer) => Promise<void> | undefined;

type Tell = (session: Subject) => void;

/** What one option does with a session. An endpoint's sessions have only the parts that its options ask for. */
export interface Part {
  /** The session is made: when it opens, and after each hibernation. */
  readonly join?: ((session: Subject, isAccepted: boolean) => void) | undefined;
  /** It is about to open, before `onOpen`. One part has this. */
  readonly begin?: ((session: Subject) => Promise<void>) | undefined;
  /** Accepts its socket, otherwise than by the API that hibernates. One part has this. */
  readonly accept?: Tell | undefined;
  /** Its socket is accepted. */
  readonly accepted?: Tell | undefined;
  /** A frame has come that may carry several messages: has each of them taken. One part has this. */
  readonly read?: Take | undefined;
  /** A message has come: goes on with `take`, or refuses it. */
  readonly receive?:
    | ((session: Subject, message: string | ArrayBuffer, take: Take) => Promise<void> | undefined)
    | undefined;
  /** A message was sent. */
  readonly sent?: Tell | undefined;
  /** Something has come from the client that is no message. */
  readonly heard?: Tell | undefined;
}

/** The parts together. What no part has is not there: so a message passes no option that its endpoint doesn't have. */
export interface Way {
  readonly join: Part["join"];
  readonly begin: Part["begin"];
  readonly accept: Tell;
  readonly accepted: Part["accepted"];
  /** What comes from the client: a message, or a frame of several. */
  readonly receive: Take;
  /** A message. */
  readonly take: Take;
  readonly sent: Part["sent"];
  readonly heard: Part["heard"];
}

/** An endpoint, with what its options do with its sessions. */
export interface Served extends SessionDefinition {
  readonly made: string;
  readonly way: Way;
  /** Of a session that has limits of its own. */
  readonly wayOf: (limits: Limits) => Way;
}

const accept: Tell = ({ ctx, webSocket, tags }) =>
  tags.length > 0 ? ctx.acceptWebSocket(webSocket, [...tags]) : ctx.acceptWebSocket(webSocket);

const take: Take = ({ dispatch }, message) => dispatch.receive(message);

/** @param parts the first is the first that gets a message */
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
