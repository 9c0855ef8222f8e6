import { addEndpoint, Endpoint, ServerContainer } from "socle";

export interface Env {
  Chat: DurableObjectNamespace<Chat>;
}

export class Chat extends Endpoint<Env> {
  override onText(_: unknown, text: string) {
    this.broadcast(text);
  }
}

export const container = new ServerContainer<Env>();

addEndpoint(container, "/chat/{room}", { durableObject: Chat, binding: "Chat" });
