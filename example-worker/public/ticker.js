// Tickers: a line for each symbol, and its price as it comes, or as slowly as the switch says.
import { connect } from "./client.js";

/** How long a page that is slowed down takes for a price, in milliseconds. */
const SLOW = 2000;

/** Resolves after that time, or as soon as the switch is used. */
const pause = (control) =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      control.removeEventListener("change", done);
      resolve();
    };
    const timer = setTimeout(done, SLOW);
    control.addEventListener("change", done);
  });

export function startTicker(section) {
  const form = section.querySelector("form");
  const list = section.querySelector("ul");
  const slow = section.querySelector("[role=switch]");
  const symbols = new Set();

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const symbol = form.elements.symbol.value;
    if (symbols.has(symbol)) return;
    symbols.add(symbol);
    const item = document.createElement("li");
    const shown = document.createElement("output");
    const stop = document.createElement("button");
    stop.type = "button";
    stop.textContent = `Unsubscribe ${symbol}`;
    // Prices come each quarter of a second: to read each aloud would be noise.
    shown.setAttribute("aria-live", "off");
    shown.textContent = symbol;
    item.append(shown, stop);
    list.append(item);
    let last;
    // The clocks of the two ends differ by what the quickest price seems to have taken.
    let quickest = Infinity;
    const client = connect(`/ticker/${symbol}`, (text, isOpen) => {
      if (!isOpen) shown.textContent = `${symbol}: ${text}`;
    });
    async function showEach() {
      for await (const data of client) {
        const { number, price, at } = JSON.parse(data);
        const age = Date.now() - at;
        quickest = Math.min(quickest, age);
        const [behind, skipped] = [((age - quickest) / 1000).toFixed(1), number - (last ?? number - 1) - 1];
        last = number;
        const time = new Date(at).toLocaleTimeString();
        shown.textContent = `${symbol} ${price.toFixed(2)} at ${time}: price ${number}, ${skipped} skipped, ${behind} s behind`;
        if (slow.checked) await pause(slow);
      }
    }
    void showEach();
    stop.addEventListener("click", () => {
      client.close();
      symbols.delete(symbol);
      item.remove();
      form.elements.symbol.focus();
    });
  });
}
