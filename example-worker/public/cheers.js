// Rounds of cheers: whether all listeners hear all cheers in one order, and how long that takes.
import { describe } from "./describe.js";
import { painted, say } from "./painted.js";
import { Round } from "./round.js";

const inWords = (number) => number.toLocaleString("en");

export function startCheers(section, hall) {
  const find = (selector) => section.querySelector(selector);
  const [form, progress, status, list] = ["form", "progress", ".status", "dl"].map(find);
  let round;
  /** How many cheers the root has counted. */
  let counted = 0;

  const show = painted(() => {
    form.querySelector("button").disabled = hall.welcomed.length === 0;
    progress.hidden = !round;
    if (!round) return;
    const { cheers, size, complete, heard, orders, time } = round;
    const isOver = complete === size;
    progress.value = heard / (cheers * size);
    const order = orders.length === 1 ? `one for all ${size}, checksum ${orders[0]}` : `${orders.length} orders`;
    if (list) {
      describe(list, {
        "heard all": `${complete} of ${size} listeners`,
        "messages received": `${inWords(heard)} of ${inWords(cheers * size)}`,
        order: isOver ? order : "…",
        "until the last one": isOver ? `${time.toFixed(0)} ms` : "…",
        "counted by the root": counted ? `${inWords(counted)} in this hall so far` : "…",
      });
    }
    if (!isOver) say(status, "Cheering");
    else if (orders.length === 1) say(status, `All ${size} listeners heard all ${cheers} cheers in one order`);
    else say(status, `The ${size} listeners heard the cheers in ${orders.length} orders`);
  });

  hall.addEventListener("change", show);
  hall.addEventListener("cheer", ({ detail: { listener, message } }) => {
    counted = message.number;
    // Other pages may cheer in the same hall.
    if (message.round === round?.id) round.take(listener, message);
    show();
  });
  hall.addEventListener("leave", ({ detail: { listener } }) => {
    round?.leave(listener);
    if (round?.size !== 0) return;
    // The next listeners may be in another hall.
    [round, counted] = [undefined, 0];
    progress.value = 0;
    list?.replaceChildren();
    say(status, "No cheers yet");
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const listeners = hall.welcomed;
    const cheers = Number(form.elements.cheers.value);
    round = new Round(listeners, cheers);
    // Spread over all listeners, and so over all shards.
    for (let cheer = 0; cheer < cheers; cheer++) {
      listeners[Math.floor((cheer * listeners.length) / cheers)].client.send(round.id);
    }
    show();
  });
}
