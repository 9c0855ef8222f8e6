// Endpoints that answer pings, for both ways in which an object can hold its sockets.
import { addEndpoint, ServerContainer, type Session } from "socle";

const container = new ServerContainer();

const common = {
  autoResponse: { request: "ping", response: "pong".repeat(512) },
  onText: (_: unknown, text: string, { asyncRemote }: Session) =>
    text === "none" ? undefined : asyncRemote.sendText(text),
};

addEndpoint(container, "/hibernating", common);
addEndpoint(container, "/standard", { ...common, hibernate: false });

export class Endpoints extends container.Endpoint {}

export default container;
