// Chat: several rooms at once, one of them shown. Each has its connection, which comes back by itself.
import { Connection, socketUrl } from "./connection.js";
import { appendLine } from "./log.js";

/** How long somebody is said to be typing, and how often one says it, in milliseconds. */
const TYPING = 3000;

/** Said by a room that was away for too long. */
const GAP = "Some lines are missing here: the room keeps only the newest.";

const title = document.title;

class Room {
  name;
  status = "";
  members = [];
  /** What its log shows: texts and kinds. */
  lines = [];
  unread = 0;
  /** Who is typing, and until when. */
  typing = new Map();
  /** Of the last line that its log shows. */
  #position;
  /** Lines that came before the welcome, which says whether they follow those of its log. */
  #missed;
  #said = 0;
  #connection;

  constructor(name, member, changed) {
    this.name = name;
    const url = () => {
      const address = socketUrl(`/chat/${encodeURIComponent(name)}`);
      address.searchParams.set("name", member);
      if (this.#position) address.searchParams.set("since", this.#position);
      this.#missed = [];
      return address;
    };
    const told = {
      state: (text) => {
        this.status = text;
        changed(this);
      },
      message: (data) => {
        const line = this.#take(JSON.parse(data));
        if (line) this.lines.push(line);
        changed(this, line);
      },
    };
    this.#connection = new Connection(url, told, { pings: true });
  }

  say(text) {
    this.#said = 0;
    this.#connection.send(JSON.stringify({ type: "message", text }));
    return this.#connection.isOpen;
  }

  type() {
    if (Date.now() - this.#said < TYPING / 2) return;
    this.#said = Date.now();
    this.#connection.send(JSON.stringify({ type: "typing" }));
  }

  leave() {
    this.#connection.close();
  }

  /** Takes a message of the server's. What is to be shown of it is returned. */
  #take(message) {
    const { type, name } = message;
    switch (type) {
      case "welcome":
        return this.#welcome(message);
      case "message":
        if (!this.#missed) return this.#show(message);
        this.#missed.push(message);
        return undefined;
      case "typing":
        this.typing.set(name, Date.now() + TYPING);
        return undefined;
      case "left":
        this.members = this.members.toSpliced(this.members.indexOf(name), 1);
        this.typing.delete(name);
        return { text: `${name} has left`, kind: "note" };
      default:
        this.members = [...this.members, name].toSorted((a, b) => (a < b ? -1 : 1));
        return { text: type === "joined" ? `${name} has joined` : `${name} is back`, kind: "note" };
    }
  }

  #welcome({ members, recovered, position }) {
    this.members = members;
    if (this.#position && !recovered) this.lines.push({ text: GAP, kind: "note" });
    this.#position = position;
    const missed = this.#missed.map((line) => this.#show(line));
    this.#missed = undefined;
    const last = missed.pop();
    this.lines.push(...missed);
    return last;
  }

  #show({ name, text, at, position }) {
    this.#position = position;
    this.typing.delete(name);
    return { text: `${new Date(at).toLocaleTimeString()} ${name}: ${text}`, kind: "message" };
  }
}

export function startChat(section) {
  const find = (selector) => section.querySelector(selector);
  const [join, tabs, view, say] = [find("#join"), find("#rooms"), find("#room"), find("#say")];
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
    showTyping();
  }

  function show(room) {
    shown = room;
    view.hidden = !room;
    if (room) {
      room.unread = 0;
      lines.replaceChildren();
      for (const { text, kind } of room.lines) appendLine(lines, text, kind);
      lines.scrollTop = lines.scrollHeight;
      history.replaceState(undefined, "", `/rooms/${encodeURIComponent(room.name)}`);
      showState();
      say.elements.text.focus();
    } else history.replaceState(undefined, "", "/");
    showTabs();
  }

  /** Something has come, or the connection is another. */
  function changed(room, line) {
    if (line?.kind === "message" && !isSeen(room)) room.unread++;
    if (room === shown) {
      // A welcome may have brought several.
      for (const missed of room.lines.slice(lines.childElementCount)) appendLine(lines, missed.text, missed.kind);
      showState();
    }
    showTabs();
  }

  join.addEventListener("submit", (event) => {
    event.preventDefault();
    const { room: field, name } = join.elements;
    const key = field.value.trim();
    if (!key || !name.value.trim()) return;
    localStorage.setItem("name", name.value);
    if (!rooms.has(key)) rooms.set(key, new Room(key, name.value.trim(), changed));
    show(rooms.get(key));
  });

  say.addEventListener("submit", (event) => {
    event.preventDefault();
    const { text } = say.elements;
    // What can't be sent stays where it is.
    if (shown.say(text.value)) text.value = "";
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
