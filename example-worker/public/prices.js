// Two clients take the prices of one object. One takes each at once, and the other one waits between two prices.
import { connect } from "./client.js";
import { PricePlot } from "./price-plot.js";

/** Resolves after the slider's time, or when the slider moves. */
const pause = (slider) =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      slider.removeEventListener("input", done);
      resolve();
    };
    const timer = setTimeout(done, slider.valueAsNumber * 1000);
    slider.addEventListener("input", done);
  });

/** @param rest is awaited after each price @returns a function that closes the client */
function subscribe(output, taken, rest) {
  const client = connect("/ticker/SOCLE", (words, isOpen) => {
    if (!isOpen) output.textContent = words;
  });
  void (async () => {
    let last;
    let skipped = 0;
    for await (const data of client) {
      const { number, price } = JSON.parse(data);
      skipped += number - (last ?? number - 1) - 1;
      last = number;
      output.textContent = `${price.toFixed(2)}, price ${number}, ${skipped} skipped`;
      taken(price);
      await rest?.();
    }
  })();
  return () => client.close();
}

export function startPrices(section) {
  const [slider, pace, svg] = ["input", ".pace", "svg"].map((selector) => section.querySelector(selector));
  const outputs = ["fast", "slow"].map((name) => section.querySelector(`output.${name}`));
  let stops = [];
  let timer;

  // A hidden page takes no prices.
  function turn() {
    for (const stop of stops) stop();
    clearInterval(timer);
    stops = [];
    if (document.hidden) return;
    const plot = new PricePlot(svg);
    stops = [
      subscribe(outputs[0], (price) => plot.add("fast", price)),
      subscribe(
        outputs[1],
        (price) => plot.add("slow", price),
        () => pause(slider),
      ),
    ];
    timer = setInterval(() => requestAnimationFrame(() => plot.draw()), 100);
  }

  const show = () => (pace.textContent = `${slider.valueAsNumber.toFixed(1)} s`);
  slider.addEventListener("input", show);
  document.addEventListener("visibilitychange", turn);
  show();
  turn();
}
