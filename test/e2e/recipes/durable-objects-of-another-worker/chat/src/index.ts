import { Endpoint, type EndpointOptions, type Session } from "socle";

export class Chat extends Endpoint {
  // Put the options that the object needs here. The other Worker's options don't reach it.
  static override options: EndpointOptions = { maxTextMessageBufferSize: 10_000 };

  override onText(_: unknown, text: string, session: Session) {
    this.broadcast(`${String(session.userPrincipal)}: ${text}`);
  }
}

export default { fetch: () => new Response("Nothing here", { status: 404 }) };
