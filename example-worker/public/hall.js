// The simulated listeners of a hall. Each has its own client, which reconnects by itself.
import { connect } from "./client.js";

/** Events: `change` when a listener joins or leaves, and for each listener `cheer`, `announcement` and `leave`. */
export class Hall extends EventTarget {
  name;
  /** Each has its client, its shard, whether the hall has welcomed it, and its status in words. */
  listeners = [];

  constructor(name) {
    super();
    this.name = name;
  }

  get path() {
    return `/crowd/${encodeURIComponent(this.name)}`;
  }

  /** The listeners that the hall has welcomed. */
  get welcomed() {
    return this.listeners.filter(({ isWelcome }) => isWelcome);
  }

  /** Opens listeners, or closes the last ones, until there are `count`. */
  gather(count) {
    while (this.listeners.length < count) this.#open();
    for (const listener of this.listeners.splice(count)) {
      listener.client.close();
      this.#tell("leave", listener);
    }
    this.#tell("change");
  }

  /** Moves all listeners to another hall. */
  move(name) {
    const count = this.listeners.length;
    this.gather(0);
    this.name = name;
    this.gather(count);
  }

  #open() {
    const listener = { isWelcome: false, words: "" };
    listener.client = connect(this.path, (words, isOpen) => {
      listener.words = words;
      // Each new connection gets a new welcome.
      if (!isOpen) listener.isWelcome = false;
      this.#tell("change");
    });
    listener.client.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      if (message.type !== "welcome") return this.#tell(message.type, listener, message);
      [listener.shard, listener.isWelcome] = [message.shard, true];
      this.#tell("change");
    });
    this.listeners.push(listener);
  }

  #tell(type, listener, message) {
    this.dispatchEvent(new CustomEvent(type, { detail: { listener, message } }));
  }
}
