import { SocleClient } from "socle/client";

const client = new SocleClient(`${location.origin.replace("http", "ws")}/chat/lobby?name=ada`);

client.topic("chat").addEventListener("message", ({ data }) => {
  document.querySelector("ol").append(Object.assign(document.createElement("li"), { textContent: data }));
});

document.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  client.send(event.target.elements.text.value);
  event.target.reset();
});
