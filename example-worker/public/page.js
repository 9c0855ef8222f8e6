// What comes over a socket is only ever inserted as text.

/** Makes a section work: one socket at a time, its state, and what was sent and received. */
function panel(section, { url, encode, sent, receive, closed = () => {} }) {
  const find = (selector) => section.querySelector(selector);
  const connect = find("form.connect");
  const send = find("form.send");
  const status = find(".status");
  const lines = find(".log");
  let socket;

  function log(text, kind = "message") {
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 8;
    const line = document.createElement("p");
    line.className = kind;
    line.textContent = text;
    lines.append(line);
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  }

  function show(state) {
    const idle = state === "closed";
    for (const control of connect.elements) control.disabled = control.matches(".disconnect") ? idle : !idle;
    send.firstElementChild.disabled = state !== "open";
  }

  connect.addEventListener("submit", (event) => {
    event.preventDefault();
    socket = new WebSocket(url(new FormData(connect)));
    socket.binaryType = "arraybuffer";
    show("connecting");
    status.textContent = "Connecting";
    socket.addEventListener("open", () => {
      show("open");
      status.textContent = `Connected to ${decodeURI(new URL(socket.url).pathname)}`;
      send.elements.text.focus();
    });
    socket.addEventListener("message", ({ data }) => receive(data, log));
    socket.addEventListener("close", ({ code, reason }) => {
      // The focus would be lost with the controls that go out of use, or is already.
      const focused = document.activeElement === document.body || section.contains(document.activeElement);
      show("closed");
      closed();
      status.textContent = `Closed with ${code}${reason && `: ${reason}`}`;
      if (focused) connect.querySelector("[type=submit]").focus();
    });
  });

  find(".disconnect").addEventListener("click", () => socket.close());

  send.addEventListener("submit", (event) => {
    event.preventDefault();
    const form = new FormData(send);
    socket.send(encode(form));
    log(sent(form), "note");
    send.elements.text.value = "";
    send.elements.text.focus();
  });

  show("closed");
}

const socketUrl = (path) => new URL(path, location.href.replace(/^http/, "ws"));

panel(document.querySelector("#echo"), {
  url: () => socketUrl("/echo"),
  encode: (form) => (form.has("binary") ? new TextEncoder().encode(form.get("text")) : form.get("text")),
  sent: (form) => `you sent: ${form.get("text")}`,
  receive: (data, log) =>
    log(typeof data === "string" ? data : `${data.byteLength} bytes: ${[...new Uint8Array(data)].join(" ")}`),
});

let members = [];

function showMembers(names) {
  members = names;
  document.querySelector("#members").textContent = names.join(", ") || "–";
}

panel(document.querySelector("#chat"), {
  url(form) {
    const url = socketUrl(`/chat/${encodeURIComponent(form.get("room"))}`);
    url.searchParams.set("name", form.get("name"));
    return url;
  },
  encode: (form) => form.get("text"),
  sent: (form) => `you: ${form.get("text")}`,
  receive(data, log) {
    const { type, name, names, text } = JSON.parse(data);
    if (type === "members") showMembers(names);
    else if (type === "message") log(`${name}: ${text}`);
    else {
      const gone = members.indexOf(name);
      showMembers(type === "joined" ? [...members, name] : members.toSpliced(gone, 1));
      log(`${name} has ${type}`, "note");
    }
  },
  closed: () => showMembers([]),
});
