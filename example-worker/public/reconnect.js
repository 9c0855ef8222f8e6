// One client publishes numbers, which it and another client receive. The other client's network can be cut.
import { connect } from "./client.js";
import { Network } from "./network.js";
import { painted, say } from "./painted.js";
import { visitor } from "./visitor.js";

/** How many numbers are shown, and the time between two of them in milliseconds. */
const SHOWN = 12;
const PERIOD = 350;

/** How many numbers are published at first, while the network is cut, and afterwards. */
const [FIRST, CUT, AFTER] = [6, 7, 3];

const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));

/** The numbers that one client has received, in the order of their arrival. */
class Received {
  numbers = [];
  late = new Set();
  /** The newest number when the network was cut, and when it was restored. Those between them arrive late. */
  #lateFrom = 0;
  #lateUntil = 0;

  take(number) {
    this.numbers.push(number);
    if (number > this.#lateFrom && number <= this.#lateUntil) this.late.add(number);
  }

  cut(published) {
    this.#lateFrom = published;
  }

  restore(published) {
    this.#lateUntil = published;
  }
}

function draw(list, received, published) {
  const shown = Array.from(
    { length: Math.min(published, SHOWN) },
    (_, index) => Math.max(published - SHOWN, 0) + index + 1,
  );
  list.replaceChildren(
    ...shown.map((number) => {
      const item = document.createElement("li");
      item.textContent = number;
      const hasCome = received.numbers.includes(number);
      item.className = received.late.has(number) ? "late" : hasCome ? "live" : "gone";
      if (!hasCome) item.ariaLabel = `${number}, not received yet`;
      return item;
    }),
  );
}

export function startReconnect(section) {
  const [lists, counts] = [".cells", ".count"].map((selector) => section.querySelectorAll(selector));
  const [button, status] = ["button", ".status"].map((selector) => section.querySelector(selector));
  const network = new Network();
  const path = `/relay/${visitor}`;
  const all = [new Received(), new Received()];
  let published = 0;
  let isBusy = false;

  const words = () => {
    const { numbers } = all[1];
    const different = new Set(numbers).size;
    const [missing, twice] = [published - different, numbers.length - different].map((count) => count || "none");
    const isInOrder = numbers.every((number, index) => number === index + 1);
    return `${published} sent, ${numbers.length} received: ${missing} missing, ${twice} twice${isInOrder ? ", in order" : ""}.`;
  };
  const show = painted(() => {
    for (const [index, list] of [...lists].entries()) {
      draw(list, all[index], published);
      counts[index].textContent = `${all[index].numbers.length} of ${published}`;
    }
    const isWhole = all.every(({ numbers }) => numbers.length >= published);
    // The status is a live region: it changes when the network is cut, and when all numbers have arrived.
    if (network.isCut) say(status, "The network is cut, and the numbers continue.");
    else if (isWhole && !isBusy) say(status, words());
  });

  const clients = all.map((received, index) => {
    const options = index === 0 ? {} : { WebSocket: network.WebSocket, minDelayMs: 300, maxDelayMs: 1000 };
    const client = connect(path, () => {}, options);
    client.topic("numbers").addEventListener("message", ({ data }) => {
      received.take(Number(data));
      show();
    });
    return client;
  });

  async function publish(count, period = PERIOD) {
    for (let number = 0; number < count; number++) {
      clients[0].send(String(++published));
      show();
      await pause(period);
    }
  }

  async function run(steps) {
    if (isBusy) return;
    isBusy = true;
    button.ariaDisabled = "true";
    await steps();
    isBusy = false;
    button.ariaDisabled = "false";
    show();
  }

  async function cut() {
    all[1].cut(published);
    network.cut();
    await publish(CUT);
    all[1].restore(published);
    network.restore();
    await publish(AFTER);
  }

  button.addEventListener("click", () => run(cut));
  void run(async () => {
    await Promise.all(clients.map(({ ready }) => ready));
    await publish(FIRST, 100);
  });
}
