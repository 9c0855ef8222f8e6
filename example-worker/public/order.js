// Sends the same messages to a bare Durable Object and to Socle, again and again.
import { Lane } from "./lane.js";
import { visitor } from "./visitor.js";

/** The time between two rounds, in milliseconds. */
const PAUSE = 2500;

const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;

export function startOrder(section) {
  const [pause, send] = [".pause", ".send"].map((name) => section.querySelector(name));
  const lanes = [...section.querySelectorAll(".lane")].map(
    (element) => new Lane(element, `${element.dataset.path}${visitor}`, { plain: element.dataset.path !== "/order/" }),
  );
  let isPlaying = !isStill;
  let isUnderWay = false;
  let timer;

  async function round() {
    clearTimeout(timer);
    if (isUnderWay) return;
    isUnderWay = true;
    send.ariaDisabled = "true";
    // A client that has closed for good rejects.
    await Promise.allSettled(lanes.map((lane) => lane.round()));
    isUnderWay = false;
    send.ariaDisabled = "false";
    next();
  }

  function next() {
    clearTimeout(timer);
    if (isPlaying && !document.hidden) timer = setTimeout(() => void round(), PAUSE);
  }

  const show = () => (pause.textContent = isPlaying ? "Pause" : "Play");
  pause.addEventListener("click", () => {
    isPlaying = !isPlaying;
    show();
    if (isPlaying) void round();
    else clearTimeout(timer);
  });
  send.addEventListener("click", round);
  document.addEventListener("visibilitychange", () => {
    if (!isUnderWay) next();
  });
  show();
  void round();
}
