// The functions that the test calls in the page.
import { SocleClient } from "../../src/client/index.ts";

/** Statuses, recoveries and lines, in the order in which they came. */
export const told = [];

export let client;

/** @param blockMs for how long the page does nothing else, each time that a heartbeat has left */
export function start(path, options, blockMs = 0) {
  class BlockingWebSocket extends WebSocket {
    send(data) {
      super.send(data);
      // After the client has handled it.
      if (data === "socle:ping") queueMicrotask(() => block(blockMs));
    }
  }
  client = new SocleClient(new URL(path, location.origin.replace("http", "ws")), {
    WebSocket: BlockingWebSocket,
    ...options,
  });
  client.addEventListener("status", ({ status }) => told.push(status));
  const chat = client.topic("chat");
  chat.addEventListener("recovery", ({ recovered }) => told.push(recovered ? "recovered" : "not recovered"));
  chat.addEventListener("message", ({ data }) => told.push(data));
}

/** Closes it now if it has this status, or as soon as it has. */
export function closeWhen(status) {
  const look = () => {
    if (client.status === status) client.close();
  };
  client.addEventListener("status", look);
  look();
}

/** Resolves when each timer of less time has run. */
export const pass = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function block(milliseconds) {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}
