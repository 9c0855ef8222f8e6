// A hall's simulated listeners: each has a client of its own, which comes back by itself.
import { connect } from "./client.js";

/** Its events are `change`, when a listener comes or goes, and those of a listener: `cheer`, `announcement` and `leave`. */
export class Hall extends EventTarget {
  name;
  /** Each has its client, its shard and whether it was told it, and how its connection is in words. */
  listeners = [];

  constructor(name) {
    super();
    this.name = name;
  }

  get path() {
    return `/crowd/${encodeURIComponent(this.name)}`;
  }

  /** Those that the hall has welcomed. */
  get welcomed() {
    return this.listeners.filter(({ isWelcome }) => isWelcome);
  }

  /** Opens listeners, or closes the last ones, until there are so many. */
  gather(count) {
    while (this.listeners.length < count) this.#open();
    for (const listener of this.listeners.splice(count)) {
      listener.client.close();
      this.#tell("leave", listener);
    }
    this.#tell("change");
  }

  /** The listeners of another hall, as many. */
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
      // Once it is open it is welcomed.
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
