import { addEndpoints, Endpoint, onOpenStartWsConnection, ServerContainer, type Session } from "socle";

interface User {
  name: string;
}

const container = new ServerContainer<Env>();

// A class endpoint: a Durable Object of your own, with the callbacks as methods.
export class Chat extends Endpoint<Env, User, "/chat/{room}"> {
  override onOpen(session: Session<"/chat/{room}">): User {
    const name = session.requestParameterMap.get("name") ?? "anonymous";
    this.broadcast(`${name} has joined ${session.pathParameters.room}`);
    return { name };
  }

  override onText(user: User, text: string) {
    this.broadcast(`${user.name}: ${text}`);
  }
}

addEndpoints(container, {
  // A map endpoint: the container's own class serves it.
  "/echo": {
    onOpen: onOpenStartWsConnection(),
    onText: (send, text) => send.put(`echo: ${text}`),
  },
  "/chat/{room}": Chat,
});

// The class that serves the maps. A Worker has to export each of its Durable Objects.
export class Endpoints extends container.Endpoint {}

// The Worker. It answers 404 where there is no endpoint.
export default container;
