// Socle as a map, with a session object that changes with each message and is kept each time.
import { addEndpoints, ServerContainer } from "socle";

const container = new ServerContainer();

export class Endpoints extends container.Endpoint {}

addEndpoints(container, {
  "/bench/echo/{room}": {
    onOpen: () => ({ name: "anonymous", messages: 0 }),
    onText: (user, text, session) => {
      user.messages++;
      void session.asyncRemote.sendText(text);
    },
  },
});

export default container;
