// The functions that the test calls in the page.
import { SocleWebSocket } from "../../src/client/index.ts";
import { told } from "./flow-messages.ts";

/** The messages that were taken, in order. */
export const taken = [];

export function take(path) {
  const socket = new SocleWebSocket(address(path));
  socket.binaryType = "arraybuffer";
  socket.addEventListener("message", ({ data }) => taken.push(told(data)));
  return new Promise((resolve) => socket.addEventListener("open", () => resolve()));
}

/** Blocks the page until the answer has arrived: no socket event runs meanwhile. */
export function block(path) {
  const request = new XMLHttpRequest();
  request.open("GET", path, false);
  request.send();
  return taken.length;
}

/** Opens a connection, sends one text on it, and returns its events. */
export function ends(isPlain, path, protocols) {
  const socket = isPlain ? new WebSocket(address(path), protocols) : new SocleWebSocket(address(path), protocols);
  const events = [];
  socket.addEventListener("open", () => {
    events.push(`open "${socket.protocol}"`);
    socket.send("hello");
  });
  socket.addEventListener("message", ({ data }) => {
    events.push(`message ${data}`);
    socket.close(1000);
  });
  socket.addEventListener("error", () => events.push("error"));
  return new Promise((resolve) => {
    socket.addEventListener("close", ({ code }) => resolve([...events, `close ${code}`]));
  });
}

const address = (path) => new URL(path, location.origin.replace("http", "ws"));
