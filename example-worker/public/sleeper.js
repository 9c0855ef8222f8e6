// An object that hibernates, and what it knows when it wakes. A request would wake it, so the page itself counts the time since the last
// event.
import { connect } from "./client.js";
import { painted, say } from "./painted.js";
import { visitor } from "./visitor.js";

/** After how many milliseconds the page assumes that it is asleep. The platform evicts an idle object after about ten seconds. */
const SLEEPS_AFTER = 12_000;

const WORDS = {
  new: "The object has received its first message.",
  awake: "The object was awake, so its field kept counting.",
  woke: "The object woke: its field started again, and the rest was kept.",
  asleep: "The object should be asleep now. Your next message wakes it.",
};

export function startSleeper(section) {
  const find = (selector) => section.querySelector(selector);
  const [sleeper, state, idle, left, tiles, button, status] = [
    ".sleeper",
    ".state",
    ".idle",
    ".left",
    ".tiles",
    "button",
    ".status",
  ].map(find);
  let connections = 0;
  let lastAt;
  let isAsleep = false;

  const show = painted(() => {
    if (lastAt === undefined) return;
    const time = performance.now() - lastAt;
    if (time >= SLEEPS_AFTER && !isAsleep) {
      isAsleep = true;
      say(status, WORDS.asleep);
    }
    sleeper.classList.toggle("asleep", isAsleep);
    say(state, isAsleep ? "Asleep" : "Awake");
    say(idle, `Last message ${Math.floor(time / 1000)} s ago`);
    left.setAttribute("stroke-dasharray", `${Math.max(0, 100 - (100 * time) / SLEEPS_AFTER)} 100`);
  });

  function take({ data }) {
    const memory = JSON.parse(data);
    const isNew = memory.field === 1;
    const counts = { ...memory, connections };
    for (const tile of tiles.querySelectorAll("dd")) tile.textContent = counts[tile.dataset.count];
    tiles.hidden = false;
    tiles.classList.toggle("woke", isNew && memory.session > 1);
    say(status, isNew ? (memory.session > 1 ? WORDS.woke : WORDS.new) : WORDS.awake);
    [isAsleep, lastAt] = [false, performance.now()];
    show();
  }

  const client = connect(`/sleeper/${visitor}`, (words, isOpen) => {
    if (isOpen) connections++;
    say(status, words);
  });
  client.addEventListener("message", take);
  const send = () => client.send("note");
  button.addEventListener("click", send);
  send();
  setInterval(show, 250);
}
