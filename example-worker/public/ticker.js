// Tickers: a line for each symbol, and its price as it comes.
import { Connection, socketUrl } from "./connection.js";

export function startTicker(section) {
  const form = section.querySelector("form");
  const list = section.querySelector("ul");
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
    // Prices come each second: to read each aloud would be noise.
    shown.setAttribute("aria-live", "off");
    shown.textContent = symbol;
    item.append(shown, stop);
    list.append(item);
    const connection = new Connection(() => socketUrl(`/ticker/${symbol}`), {
      state(text, isOpen) {
        if (!isOpen) shown.textContent = `${symbol}: ${text}`;
      },
      message(data) {
        const { price, at } = JSON.parse(data);
        shown.textContent = `${symbol} ${price.toFixed(2)} at ${new Date(at).toLocaleTimeString()}`;
      },
    });
    stop.addEventListener("click", () => {
      connection.close();
      symbols.delete(symbol);
      item.remove();
      form.elements.symbol.focus();
    });
  });
}
