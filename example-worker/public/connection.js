// A WebSocket that comes back by itself, and says so.

/** The first wait before another try, and the longest, in milliseconds. */
const FIRST = 500;
const LONGEST = 10_000;
/** How often a server that wants pings is shown that the page is there. The platform answers without waking the object. */
const PING = 30_000;

/** The server has said that it doesn't want this client: to come back would change nothing. */
const isFinal = (code) => code === 1000 || code === 1003 || (code >= 1007 && code <= 1010) || code >= 4000;

/** With flow control: the page has taken nothing for too long. Without, it has sent too much. */
const TOO_SLOW = 1008;

/** The same host, whatever the page's path. */
export const socketUrl = (path) => new URL(path, location.origin.replace(/^http/, "ws"));

async function takeEach(messages, take) {
  for await (const data of messages) await take(data);
}

export class Connection {
  #url;
  #told;
  #Socket;
  #pings;
  #socket;
  #retry;
  #ping;
  #wait = FIRST;
  #isOver = false;
  #hasBeenOpen = false;

  /**
   * @param url is asked before each try
   * @param told is told what happens: `state(text, isOpen)` and `message(data)`
   * @param options `Socket`, of which class the socket is: of one that is iterated, each message is taken once `message`
   * is done with the last; `pings`, whether the server answers a "ping" with a "pong"
   */
  constructor(url, told, { Socket = WebSocket, pings = false } = {}) {
    this.#url = url;
    this.#told = told;
    this.#Socket = Socket;
    this.#pings = pings;
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
    const socket = new this.#Socket(this.#url());
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#told.state(this.#hasBeenOpen ? "Reconnecting" : "Connecting", false);
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return;
      this.#told.state(this.#hasBeenOpen ? "Connected again" : "Connected", true);
      this.#hasBeenOpen = true;
      this.#wait = FIRST;
      clearInterval(this.#ping);
      if (this.#pings) this.#ping = setInterval(() => this.send("ping"), PING);
    });
    const take = (data) => (socket === this.#socket && data !== "pong" ? this.#told.message(data) : undefined);
    const isIterated = Symbol.asyncIterator in socket;
    if (isIterated) void takeEach(socket, take);
    else socket.addEventListener("message", ({ data }) => take(data));
    socket.addEventListener("close", ({ code, reason }) => {
      if (socket !== this.#socket || this.#isOver) return;
      this.#socket = undefined;
      if (isFinal(code) && !(isIterated && code === TOO_SLOW)) {
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
