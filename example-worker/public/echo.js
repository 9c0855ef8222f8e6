// Echo: each text comes back, and the time between is plotted.
import { connect as connectTo } from "./client.js";
import { appendLine } from "./log.js";
import { Plot } from "./plot.js";

const PERIOD = 250;

export function startEcho(section) {
  const find = (selector) => section.querySelector(selector);
  const [connect, measure, form, lines] = [find(".connect"), find(".measure"), find("form"), find(".log")];
  const plot = new Plot(find("figure"));
  let client;
  let timer;

  const press = (button, isPressed) => button.setAttribute("aria-pressed", isPressed);
  const stop = () => {
    clearInterval(timer);
    press(measure, false);
  };

  function tell(text, isOpen) {
    find(".status").textContent = text;
    measure.disabled = !isOpen;
    form.querySelector("button").disabled = !isOpen;
    if (!isOpen) stop();
  }

  function take({ data }) {
    const text = typeof data === "string" ? data : `${data.byteLength} bytes: ${new Uint8Array(data).join(" ")}`;
    const [, sent] = /^echo: at (\S+)$/.exec(text) ?? [];
    if (sent) plot.add(performance.now() - Number(sent));
    else appendLine(lines, text);
  }

  connect.addEventListener("click", () => {
    client?.close();
    client = client ? undefined : connectTo("/echo", tell);
    client?.addEventListener("message", take);
    press(connect, client !== undefined);
    connect.textContent = client ? "Disconnect" : "Connect";
  });

  measure.addEventListener("click", () => {
    const isOn = measure.getAttribute("aria-pressed") === "true";
    stop();
    if (isOn) return;
    press(measure, true);
    timer = setInterval(() => client.send(`at ${performance.now()}`), PERIOD);
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { text, binary } = form.elements;
    client.send(binary.checked ? new TextEncoder().encode(text.value) : text.value);
    appendLine(lines, `you sent: ${text.value}`, "note");
    text.value = "";
    text.focus();
  });
}
