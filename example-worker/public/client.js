// The page's clients, and their status in words.
import { SocleClient } from "./socle-client.js";

/** The words for a status: at first, and after the client was open before. */
const WORDS = { connecting: ["Connecting", "Reconnecting"], open: ["Connected", "Connected again"] };

function words(status, hasBeenOpen, { code, reason }) {
  if (status in WORDS) return WORDS[status][Number(hasBeenOpen)];
  if (status === "closed")
    return code === 1000 ? "Not connected" : `The server has closed the connection: ${reason || code}`;
  return navigator.onLine ? "Connection lost. The client reconnects." : "You are offline. The client reconnects later.";
}

/**
 * Makes a client for a path of the page's host.
 *
 * @param tell is called with each status in words, and whether the client is open
 * @param options the options of the client
 */
export function connect(path, tell, options) {
  const client = new SocleClient(new URL(path, location.origin.replace(/^http/, "ws")), options);
  let hasBeenOpen = false;
  const say = (event) => {
    const isOpen = client.status === "open";
    tell(words(client.status, hasBeenOpen, event), isOpen);
    hasBeenOpen ||= isOpen;
  };
  client.addEventListener("status", say);
  say({});
  return client;
}
