// Draws the prices that two clients have taken in the last seconds, as two lines.
const WIDTH = 600;
const [TOP, BOTTOM] = [20, 200];
/** The time that is shown, in milliseconds, and the x of now. */
const SHOWN = 20_000;
const END = 585;

export class PricePlot {
  #svg;
  #lines = { slow: [], fast: [] };

  constructor(svg) {
    this.#svg = svg;
  }

  add(name, price) {
    this.#lines[name].push({ at: performance.now(), price });
  }

  draw() {
    const now = performance.now();
    for (const [name, taken] of Object.entries(this.#lines)) {
      // The line begins with the last price before that time.
      const first = taken.findLastIndex(({ at }) => at < now - SHOWN);
      this.#lines[name] = taken.slice(Math.max(first, 0));
    }
    const prices = Object.values(this.#lines).flatMap((taken) => taken.map(({ price }) => price));
    if (prices.length === 0) return;
    this.#svg.parentElement.hidden = false;
    const [least, most] = [Math.min(...prices), Math.max(...prices)];
    const y = (price) => (BOTTOM - ((price - least) / (most - least || 1)) * (BOTTOM - TOP)).toFixed(1);
    const x = (at) => Math.max(0, END - ((now - at) / SHOWN) * WIDTH).toFixed(1);
    for (const [name, taken] of Object.entries(this.#lines)) {
      if (taken.length === 0) continue;
      // Each price holds until the client takes the next one.
      const points = taken.flatMap(({ at, price }, index) => [
        ...(index > 0 ? [`${x(at)},${y(taken[index - 1].price)}`] : []),
        `${x(at)},${y(price)}`,
      ]);
      const end = y(taken.at(-1).price);
      this.#svg.querySelector(`polyline.${name}`).setAttribute("points", [...points, `${END},${end}`].join(" "));
      const dot = this.#svg.querySelector(`circle.${name}`);
      dot.setAttribute("cx", END);
      dot.setAttribute("cy", end);
    }
  }
}
