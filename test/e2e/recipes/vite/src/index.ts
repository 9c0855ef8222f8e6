import { addEndpoint, Endpoint, ServerContainer, type Session } from "socle";

interface Env {
  Chat: DurableObjectNamespace<Chat>;
}

interface User {
  name: string;
}

export class Chat extends Endpoint<Env, User, "/chat/{room}"> {
  override async onOpen(session: Session<"/chat/{room}">): Promise<User> {
    await session.subscribe("chat", { since: "client" });
    return { name: session.requestParameterMap.get("name") ?? "anonymous" };
  }

  override async onText({ name }: User, text: string, session: Session): Promise<void> {
    await session.publish("chat", `${name}: ${text}`);
  }
}

const container = new ServerContainer<Env>();

addEndpoint(container, "/chat/{room}", {
  durableObject: Chat,
  binding: "Chat",
  topics: { history: { messages: 500 } },
});

export default container;
