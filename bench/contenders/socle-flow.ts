// Socle with flowControl: the cases that it is for, and the echo of one message, where it has no benefit.
import {
  addEndpoint,
  addEndpoints,
  Endpoint,
  type EndpointOptions,
  onOpenStartWsConnection,
  ServerContainer,
} from "socle";

const container = new ServerContainer();

/** 400 MB in messages of 64 KiB. */
const MESSAGES = 6104;

let sent = 0;

export class Endpoints extends container.Endpoint {}

addEndpoints(container, {
  "/bench/echo/{room}": {
    flowControl: true,
    onOpen: onOpenStartWsConnection(),
    onText: (send, text) => send.put(text),
  },
  // Sends everything to a client that asks for it, and tells other clients how many messages that was.
  "/bench/stalled/{room}": {
    flowControl: true,
    onOpen: onOpenStartWsConnection(),
    onText: async (send, text) => {
      if (text !== "send") {
        await send.put(`${sent}`);
        return;
      }
      for (let index = 0; index < MESSAGES; index++) {
        await send.put(String(index).padEnd(65_536, "."));
        sent++;
      }
    },
  },
});

export class Burst extends Endpoint {
  static override options: EndpointOptions = { flowControl: true };

  override onText(): void {
    for (let index = 100; index < 200; index++) this.broadcast(`message ${index} to all`);
  }
}

addEndpoint(container, "/bench/burst/{room}", Burst);

export default container;
