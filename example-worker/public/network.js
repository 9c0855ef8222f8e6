// A network that can be cut. Messages that are on their way are lost then, and no socket can connect until it is restored.
class CutEvent extends Event {
  code = 1006;
  reason = "";
  wasClean = false;
}

export class Network {
  isCut = false;
  #lose = new Set();

  cut() {
    this.isCut = true;
    for (const lose of this.#lose) lose();
    this.#lose.clear();
  }

  restore() {
    this.isCut = false;
  }

  /** A WebSocket class whose connections go through this network. */
  get WebSocket() {
    // oxlint-disable-next-line typescript/no-this-alias, unicorn/no-this-assignment -- each socket has its own
    const network = this;
    return class extends EventTarget {
      #socket;
      #isLost = false;

      constructor(url, protocols) {
        super();
        if (network.isCut) {
          setTimeout(this.#fail);
          return;
        }
        this.#socket = new WebSocket(url, protocols);
        this.#socket.binaryType = "arraybuffer";
        network.#lose.add(this.#fail);
        for (const type of ["open", "message", "error", "close"]) {
          this.#socket.addEventListener(type, (event) => {
            if (type === "close") network.#lose.delete(this.#fail);
            if (!this.#isLost) this.dispatchEvent(new event.constructor(type, event));
          });
        }
      }

      #fail = () => {
        this.#isLost = true;
        this.#socket?.close();
        this.dispatchEvent(new CutEvent("close"));
      };

      get url() {
        return this.#socket?.url ?? "";
      }

      get protocol() {
        return this.#socket?.protocol ?? "";
      }

      get extensions() {
        return this.#socket?.extensions ?? "";
      }

      get readyState() {
        return this.#isLost ? WebSocket.CLOSED : (this.#socket?.readyState ?? WebSocket.CONNECTING);
      }

      send(data) {
        if (!this.#isLost) this.#socket.send(data);
      }

      close(code, reason) {
        this.#socket?.close(code, reason);
      }
    };
  }
}
