// Rooms that talk: each text goes to everybody, and so does the name of each session that ends.
import { Endpoint, ServerContainer, type CloseReason, type EndpointOptions, type Session } from "socle";

interface Env {
  Room: DurableObjectNamespace<Room>;
}

export class Room extends Endpoint<Env, string> {
  static override options: EndpointOptions<Env> = {
    clientTimeoutMs: 2000,
    autoResponse: { request: "ping", response: "pong" },
    flowControl: { window: 1 },
  };

  override onRequest(): Response {
    return Response.json(this.openSessionCount());
  }

  override onOpen({ queryString }: Session): string {
    return queryString;
  }

  override onText(_: string, text: string): void {
    this.broadcast(text);
  }

  override onClose(name: string, _: Session, { closeCode }: CloseReason): void {
    this.broadcast(`${name} ends with ${closeCode}`);
  }
}

const container = new ServerContainer<Env>();
container.addEndpoint("/room/{name}", Room);
container.addEndpoint("/standard/{name}", { durableObject: Room, hibernate: false });

export default container;
