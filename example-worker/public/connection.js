// A WebSocket that comes back by itself, and says so.

/** The first wait before another try, and the longest, in milliseconds. */
const FIRST = 500;
const LONGEST = 10_000;
/** How often the server is shown that the page is there. The platform answers without waking the object. */
const PING = 30_000;

/** The server has said that it doesn't want this client: to come back would change nothing. */
const isFinal = (code) => code === 1000 || code === 1003 || (code >= 1007 && code <= 1010) || code >= 4000;

/** The same host, whatever the page's path. */
export const socketUrl = (path) => new URL(path, location.origin.replace(/^http/, "ws"));

export class Connection {
  #url;
  #told;
  #socket;
  #retry;
  #ping;
  #wait = FIRST;
  #isOver = false;
  #hasBeenOpen = false;

  /**
   * @param url is asked before each try
   * @param told is told what happens: `state(text, isOpen)` and `message(data)`
   */
  constructor(url, told) {
    this.#url = url;
    this.#told = told;
    addEventListener("offline", this.#offline);
    addEventListener("online", this.#online);
    this.#open();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  send(data) {
    if (this.isOpen) this.#socket.send(data);
  }

  close() {
    this.#end();
    this.#socket?.close(1000);
    this.#told.state("Not connected", false);
  }

  #offline = () => {
    clearTimeout(this.#retry);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    this.#told.state("You are offline. It goes on when you are back.", false);
  };

  #online = () => {
    this.#wait = FIRST;
    if (!this.#socket) this.#open();
  };

  #open() {
    clearTimeout(this.#retry);
    const socket = new WebSocket(this.#url());
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#told.state(this.#hasBeenOpen ? "Reconnecting" : "Connecting", false);
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return;
      this.#told.state(this.#hasBeenOpen ? "Connected again" : "Connected", true);
      this.#hasBeenOpen = true;
      this.#wait = FIRST;
      clearInterval(this.#ping);
      this.#ping = setInterval(() => this.send("ping"), PING);
    });
    socket.addEventListener("message", ({ data }) => {
      if (socket === this.#socket && data !== "pong") this.#told.message(data);
    });
    socket.addEventListener("close", ({ code, reason }) => {
      if (socket !== this.#socket || this.#isOver) return;
      this.#socket = undefined;
      if (isFinal(code)) {
        this.#end();
        this.#told.state(`The server has closed the connection: ${reason || code}`, false);
        return;
      }
      this.#told.state(`Connection lost. Next try in ${this.#wait / 1000} s`, false);
      this.#retry = setTimeout(() => this.#open(), this.#wait);
      this.#wait = Math.min(2 * this.#wait, LONGEST);
    });
  }

  #end() {
    this.#isOver = true;
    clearTimeout(this.#retry);
    clearInterval(this.#ping);
    removeEventListener("offline", this.#offline);
    removeEventListener("online", this.#online);
  }
}
