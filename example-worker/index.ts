// Two endpoints: an echo, written as a map, and a chat, written as a class.
import { addEndpoints, Endpoint, onOpenStartWsConnection, ServerContainer, type Session } from "socle";

interface Env {
  Endpoints: DurableObjectNamespace<Endpoints>;
  Chat: DurableObjectNamespace<Chat>;
}

/** The session object: what the chat knows of one client. */
interface Member {
  name: string;
}

/** What the chat sends, as JSON. */
type ChatMessage =
  | { type: "members"; names: string[] }
  | { type: "joined" | "left"; name: string }
  | { type: "message"; name: string; text: string };

const json = (message: ChatMessage) => JSON.stringify(message);

/** A room: each path `/chat/{room}` has an object of its own. */
export class Chat extends Endpoint<Env, Member> {
  override onOpen(session: Session<"/chat/{room}", Member, Env>): Member {
    const name = session.requestParameterMap.get("name")?.trim().slice(0, 40) || "anonymous";
    // The session is not open yet: neither the list nor the broadcast includes it.
    const others = [...session.openSessions].map(({ sessionObject }) => sessionObject.name);
    void session.asyncRemote.sendText(json({ type: "members", names: [...others, name] }));
    this.broadcast(json({ type: "joined", name }));
    return { name };
  }

  override onText({ name }: Member, text: string, session: Session): void {
    this.broadcast(json({ type: "message", name, text }), { except: session });
  }

  override onClose({ name }: Member): void {
    this.broadcast(json({ type: "left", name }));
  }
}

const container = new ServerContainer<Env>();

addEndpoints(container, {
  "/echo": {
    onOpen: onOpenStartWsConnection(),
    onText: (send, text) => send.put(`echo: ${text}`),
    onBinary: (send, data) => send.put(data),
  },
  "/chat/{room}": Chat,
});

/** The objects behind the container's maps. */
export class Endpoints extends container.Endpoint {}

export default container;
