// What the object behind a room knows of itself, asked by RPC.
import { describe } from "./describe.js";

const seconds = (time) => `${((Date.now() - time) / 1000).toFixed(0)} s`;

export function startFacts(section) {
  const form = section.querySelector("form");
  const list = section.querySelector("dl");

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const response = await fetch(`/facts/${encodeURIComponent(form.elements.room.value.trim())}`);
    if (!response.ok) {
      list.textContent = await response.text();
      return;
    }
    const { sessions, messages, wakes, awakeSince } = await response.json();
    const shown = {
      "open sessions": sessions,
      "messages kept": messages,
      "times it woke": wakes,
      "since its last hibernation": seconds(awakeSince),
    };
    describe(list, shown);
  });
}
