// The slider of simulated listeners, and a bar for each shard.
import { Hall } from "./hall.js";
import { painted, say } from "./painted.js";

/** As crowd.ts has them. */
const SHARDS = 8;
const FULL = 25;

function addBar(list, shard) {
  const tags = ["li", "span", "span", "span", "span"];
  const [item, name, bar, fill, number] = tags.map((tag) => document.createElement(tag));
  name.textContent = `Shard ${shard}`;
  bar.className = "bar";
  bar.append(fill);
  item.append(name, bar, number);
  list.append(item);
  return (sessions) => {
    // Where all are full they share what comes.
    fill.style.inlineSize = `${Math.min(100, (100 * sessions) / FULL)}%`;
    number.textContent = sessions || "none";
  };
}

function words(hall, shards) {
  const { listeners, welcomed } = hall;
  const troubled = listeners.find(({ client }) => client.status === "waiting" || client.status === "closed");
  if (listeners.length === 0) return "Nobody listens yet";
  if (troubled) return `${welcomed.length} of ${listeners.length} listeners. ${troubled.words}`;
  if (welcomed.length < listeners.length) return `${listeners.length} listeners are coming`;
  return `${listeners.length} listeners in ${shards} ${shards === 1 ? "shard" : "shards"}`;
}

/** @returns the hall */
export function startListeners(section) {
  const find = (selector) => section.querySelector(selector);
  const [form, slider, wanted, status] = ["form", "[type=range]", ".wanted", ".status"].map(find);
  const bars = Array.from({ length: SHARDS }, (_, shard) => addBar(find("ol"), shard));
  const hall = new Hall(form.elements.hall.value);

  const show = painted(() => {
    const sessions = bars.map((_, number) => hall.welcomed.filter(({ shard }) => shard === number).length);
    for (const [shard, bar] of bars.entries()) bar(sessions[shard]);
    say(status, words(hall, sessions.filter(Boolean).length));
  });
  show();
  hall.addEventListener("change", show);

  slider.addEventListener("input", () => (wanted.textContent = slider.value));
  // Not on the way there: each listener is a connection.
  slider.addEventListener("change", () => hall.gather(Number(slider.value)));

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.elements.hall.value !== hall.name) hall.move(form.elements.hall.value);
    slider.focus();
  });
  return hall;
}
