// Socle as maps: each session object is the session's channel.
import { addEndpoints, onOpenStartWsConnection, ServerContainer } from "socle";

const container = new ServerContainer();
let instances = 0;

export class Endpoints extends container.Endpoint {
  readonly instance = ++instances;
}

addEndpoints(container, {
  "/bench/echo/{room}": { onOpen: onOpenStartWsConnection(), onText: (send, text) => send.put(text) },
  "/bench/room/{room}": {
    onText: (_, text, session) => {
      for (const { asyncRemote } of session.openSessions) void asyncRemote.sendText(text);
    },
  },
  "/bench/slow/{room}": {
    onOpen: onOpenStartWsConnection(),
    onText: async (send, text) => {
      await scheduler.wait(Number(text));
      await send.put(text);
    },
  },
  "/bench/wake/{room}": {
    onOpen: onOpenStartWsConnection(),
    onText: (send, _, session) => send.put(`${session.id} ${instances}`),
  },
});

export default container;
