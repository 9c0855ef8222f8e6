// The last round-trip times as a line, and in words.
const SHOWN = 120;
const WIDTH = 480;
const HEIGHT = 120;

const inMilliseconds = (time) => `${time.toFixed(1)} ms`;

export class Plot {
  #times = [];
  #line;
  #words;

  constructor(figure) {
    this.#line = figure.querySelector("polyline");
    this.#words = figure.querySelector("figcaption");
  }

  add(time) {
    this.#times.push(time);
    this.#times = this.#times.slice(-SHOWN);
    const times = this.#times;
    const sorted = times.toSorted((a, b) => a - b);
    const most = sorted.at(-1);
    const median = sorted[Math.floor(sorted.length / 2)];
    const points = times.map((one, i) => {
      const x = (i * WIDTH) / (SHOWN - 1);
      const y = HEIGHT - 1 - (one / most) * (HEIGHT - 4);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    });
    this.#line.setAttribute("points", points.join(" "));
    this.#words.textContent = `${times.length} round trips: ${inMilliseconds(time)} now, ${inMilliseconds(median)} in the middle, ${inMilliseconds(most)} at most`;
  }
}
