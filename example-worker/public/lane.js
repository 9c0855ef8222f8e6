// Five messages to one path, and the answers in the order in which they arrive.
import { connect } from "./client.js";

const MESSAGES = ["1", "2", "3", "4", "5"];

const items = (list, texts) =>
  list.replaceChildren(
    ...texts.map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }),
  );

export class Lane {
  #client;
  #messages;
  #answers;
  #verdict;
  #isSequential;
  #received = [];
  /** Ends the round. */
  #end = () => {};

  /** @param isSequential whether the server takes one message after the other */
  constructor(element, path, options) {
    const find = (selector) => element.querySelector(selector);
    [this.#messages, this.#answers, this.#verdict] = [".messages", ".answers", ".verdict"].map(find);
    // A bare Durable Object doesn't speak Socle's protocol, and runs the handler for all messages at once.
    this.#isSequential = !options.plain;
    items(this.#messages, MESSAGES);
    this.#client = connect(
      path,
      (words, isOpen) => {
        if (isOpen) return;
        this.#verdict.textContent = words;
        this.#end();
      },
      options,
    );
    this.#client.addEventListener("message", ({ data }) => this.#take(data));
  }

  /** Resolves when all answers have arrived, or when the connection is lost. */
  async round() {
    await this.#client.ready;
    this.#received = [];
    this.#show();
    const ended = new Promise((resolve) => (this.#end = resolve));
    for (const message of MESSAGES) this.#client.send(message);
    await ended;
  }

  #take(answer) {
    this.#received.push(answer);
    this.#show();
    if (this.#received.length === MESSAGES.length) this.#end();
  }

  #show() {
    const received = this.#received;
    const first = MESSAGES.find((message) => !received.includes(message));
    for (const [index, item] of [...this.#messages.children].entries()) {
      const isDone = received.includes(MESSAGES[index]);
      const isRunning = !isDone && (!this.#isSequential || MESSAGES[index] === first);
      item.className = isDone ? "done" : isRunning ? "running" : "queued";
    }
    items(
      this.#answers,
      MESSAGES.map((_, index) => received[index] ?? "·"),
    );
    for (const [index, item] of [...this.#answers.children].entries()) {
      item.className = received[index] === undefined ? "due" : received[index] === MESSAGES[index] ? "right" : "wrong";
      item.classList.toggle("newest", index === received.length - 1);
    }
    const isInOrder = received.every((answer, index) => answer === MESSAGES[index]);
    this.#verdict.className = `verdict ${isInOrder ? "right" : "wrong"}`;
    if (received.length < MESSAGES.length) this.#verdict.textContent = `${received.length} of 5 answers`;
    else this.#verdict.textContent = `${isInOrder ? "In order" : "Out of order"}: ${received.join(" ")}`;
  }
}
