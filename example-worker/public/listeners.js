// The slider of simulated listeners, and a block of seats for each shard.
import { Hall } from "./hall.js";
import { painted, say } from "./painted.js";

/** The same numbers as in crowd.ts. */
const SHARDS = 8;
const FULL = 25;

function addShard(list, shard) {
  const [item, name, seats, number] = ["li", "span", "span", "span"].map((tag) => document.createElement(tag));
  name.textContent = `Shard ${shard}`;
  seats.className = "seats";
  seats.append(...Array.from({ length: FULL }, () => document.createElement("i")));
  item.append(name, seats, number);
  list.append(item);
  return (sessions) => {
    // If all shards are full, each takes more than it has seats.
    for (const [index, seat] of [...seats.children].entries()) seat.className = index < sessions ? "taken" : "";
    number.textContent = sessions;
  };
}

function words(hall, shards) {
  const { listeners, welcomed } = hall;
  const troubled = listeners.find(({ client }) => client.status === "waiting" || client.status === "closed");
  if (listeners.length === 0) return "Nobody listens yet";
  if (troubled) return `${welcomed.length} of ${listeners.length} listeners. ${troubled.words}`;
  if (welcomed.length < listeners.length) return `${listeners.length} listeners are connecting`;
  return `${listeners.length} listeners in ${shards} ${shards === 1 ? "shard" : "shards"}`;
}

/**
 * @param name the hall's name, if the section has no form for it
 * @param count how many listeners join at once
 * @returns the hall
 */
export function startListeners(section, name, count = 0) {
  const find = (selector) => section.querySelector(selector);
  const [form, slider, wanted, status] = ["form", "[type=range]", ".wanted", ".status"].map(find);
  const shards = Array.from({ length: SHARDS }, (_, shard) => addShard(find("ol"), shard));
  const hall = new Hall(form?.elements.hall.value ?? name);

  const show = painted(() => {
    const sessions = shards.map((_, number) => hall.welcomed.filter(({ shard }) => shard === number).length);
    for (const [shard, fill] of shards.entries()) fill(sessions[shard]);
    say(status, words(hall, sessions.filter(Boolean).length));
  });
  hall.addEventListener("change", show);

  slider.addEventListener("input", () => (wanted.textContent = slider.value));
  // `change`, not `input`: each listener is a connection.
  slider.addEventListener("change", () => hall.gather(Number(slider.value)));
  wanted.textContent = slider.value = count;
  hall.gather(count);

  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.elements.hall.value !== hall.name) hall.move(form.elements.hall.value);
    slider.focus();
  });
  return hall;
}
