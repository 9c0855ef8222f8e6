// Announcements to a hall, and how many listeners have heard the newest.
import { painted, say } from "./painted.js";

export function startAnnouncement(section, hall) {
  const [form, status] = ["form", ".status"].map((selector) => section.querySelector(selector));
  let newest = "";
  let text = "";
  const heard = new Set();

  const show = painted(() => {
    say(status, `${heard.size} of ${hall.listeners.length} listeners have heard: ${text}`);
  });
  hall.addEventListener("announcement", ({ detail: { listener, message } }) => {
    if (message.id !== newest) heard.clear();
    newest = message.id;
    text = message.text;
    heard.add(listener);
    show();
  });

  async function announce(body) {
    const response = await fetch(hall.path, { method: "POST", body }).catch(() => undefined);
    if (!response) say(status, "The hall can't be reached");
    else if (!response.ok) say(status, await response.text());
    else if (hall.listeners.length === 0) say(status, "Announced. No listener of this page was there.");
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { text: field } = form.elements;
    void announce(field.value);
    field.value = "";
    field.focus();
  });
}
