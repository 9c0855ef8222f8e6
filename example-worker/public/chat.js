// The chat: several rooms at once, one of them shown. Each has its client, which reconnects by itself.
import { connect } from "./client.js";
import { appendLine } from "./log.js";
import { Typing, TYPING } from "./typing.js";

/** Shown where the history no longer has all that was missed. */
const GAP = "Some lines are missing here: the room keeps only the newest.";

const title = document.title;

class Room {
  name;
  member;
  status = "";
  members = [];
  /** The lines of its log, each with its parts and its kind. */
  lines = [];
  unread = 0;
  /** Until when each member is shown as typing. */
  typing = new Map();
  #typing = new Typing();
  #client;
  #changed;

  constructor(name, member, changed) {
    this.name = name;
    this.member = member;
    this.#changed = changed;
    this.#client = connect(`/chat/${encodeURIComponent(name)}?name=${encodeURIComponent(member)}`, (text) => {
      this.status = text;
      // The first status comes while the client is constructed.
      if (this.#client) changed(this);
    });
    this.#client.addEventListener("message", ({ data, topic }) => {
      if (!topic) this.#take(JSON.parse(data));
    });
    const said = this.#client.topic("lines");
    said.addEventListener("message", ({ data }) => this.#show(JSON.parse(data)));
    said.addEventListener("recovery", ({ recovered }) => {
      // On a first visit nothing is missing.
      if (!recovered && this.members.length > 0) this.#add(GAP);
    });
  }

  /** Whether the connection has ended for good. The client doesn't reconnect then. */
  get isClosed() {
    return this.#client.status === "closed";
  }

  /** Without a connection the client queues the line. */
  say(text) {
    this.#client.send(JSON.stringify({ type: "message", text }));
  }

  type() {
    if (this.#client.status === "open" && this.#typing.isDue()) this.#client.send(JSON.stringify({ type: "typing" }));
  }

  leave() {
    this.#client.close();
  }

  /** Handles a message that is not a line. */
  #take({ type, name, members }) {
    switch (type) {
      case "welcome":
        this.members = members;
        return this.#changed(this);
      case "typing":
        this.typing.set(name, Date.now() + TYPING);
        return this.#changed(this);
      case "left":
        this.members = this.members.toSpliced(this.members.indexOf(name), 1);
        this.typing.delete(name);
        return this.#add(`${name} has left`);
      default:
        this.members = [...this.members, name].toSorted((a, b) => (a < b ? -1 : 1));
        return this.#add(type === "joined" ? `${name} has joined` : `${name} is back`);
    }
  }

  #show({ name, text, at }) {
    this.typing.delete(name);
    const time = new Date(at).toLocaleTimeString([], { timeStyle: "short" });
    this.#add([`${time} `, `${name}: `, text], "message");
  }

  #add(parts, kind = "note") {
    const line = { parts: [parts].flat(), kind };
    this.lines.push(line);
    this.#changed(this, line);
  }
}

export function startChat(section) {
  const find = (selector) => section.querySelector(selector);
  const [join, tabs, view, say, rejoin] = ["#join", "#rooms", "#room", "#say", "#rejoin"].map(find);
  const lines = find(".log");
  const rooms = new Map();
  let shown;

  const isSeen = (room) => room === shown && document.hasFocus();

  function showTabs() {
    tabs.hidden = rooms.size === 0;
    tabs.replaceChildren(
      ...[...rooms.values()].map((room) => {
        const tab = document.createElement("button");
        tab.type = "button";
        tab.textContent = room.unread ? `${room.name} (${room.unread} unread)` : room.name;
        if (room === shown) tab.setAttribute("aria-current", "page");
        tab.addEventListener("click", () => show(room));
        return tab;
      }),
    );
    const unread = [...rooms.values()].reduce((sum, room) => sum + room.unread, 0);
    document.title = unread ? `(${unread}) ${title}` : title;
  }

  function showTyping() {
    const now = Date.now();
    const names = [...(shown?.typing ?? [])].filter(([, until]) => until > now).map(([name]) => name);
    find("#typing").textContent = names.length ? `${names.join(", ")} ${names.length > 1 ? "are" : "is"} typing` : "";
  }

  function showState() {
    find(".status").textContent = shown.status;
    find("#members").textContent = shown.members.join(", ");
    find("#members").parentElement.hidden = shown.members.length === 0;
    // A closed client can send nothing.
    const hadFocus = shown.isClosed && say.contains(document.activeElement);
    say.hidden = shown.isClosed;
    rejoin.hidden = !shown.isClosed;
    if (hadFocus) rejoin.focus();
    showTyping();
  }

  function show(room) {
    shown = room;
    view.hidden = !room;
    if (room) {
      room.unread = 0;
      lines.replaceChildren();
      for (const { parts, kind } of room.lines) appendLine(lines, parts, kind);
      lines.scrollTop = lines.scrollHeight;
      history.replaceState(undefined, "", `/rooms/${encodeURIComponent(room.name)}`);
      showState();
      say.elements.text.focus();
    } else history.replaceState(undefined, "", "/");
    showTabs();
  }

  /** Called for each new line, and when the state of a room changes. */
  function changed(room, line) {
    if (line?.kind === "message" && !isSeen(room)) room.unread++;
    if (room === shown) {
      if (line) appendLine(lines, line.parts, line.kind);
      showState();
    }
    showTabs();
  }

  function enter(key, name) {
    // Joins a room again if its connection has ended for good. The room sends its newest lines again.
    if (!rooms.has(key) || rooms.get(key).isClosed) rooms.set(key, new Room(key, name, changed));
    show(rooms.get(key));
  }

  join.addEventListener("submit", (event) => {
    event.preventDefault();
    const [key, name] = [join.elements.room, join.elements.name].map(({ value }) => value.trim());
    if (!key || !name) return;
    localStorage.setItem("name", name);
    enter(key, name);
  });
  rejoin.addEventListener("click", () => enter(shown.name, shown.member));

  say.addEventListener("submit", (event) => {
    event.preventDefault();
    const { text } = say.elements;
    // The server closes a session that sends a blank line.
    if (text.value.trim()) shown.say(text.value);
    text.value = "";
    text.focus();
  });
  say.elements.text.addEventListener("input", () => shown.type());

  find("#leave").addEventListener("click", () => {
    shown.leave();
    rooms.delete(shown.name);
    show([...rooms.values()][0]);
    if (!shown) join.elements.room.focus();
  });

  addEventListener("focus", () => {
    if (!shown) return;
    shown.unread = 0;
    showTabs();
  });
  setInterval(showTyping, 500);

  join.elements.name.value = localStorage.getItem("name") ?? "";
  const [, room] = /^\/rooms\/([^/]+)$/.exec(location.pathname) ?? [];
  if (room) join.elements.room.value = decodeURIComponent(room);
}
