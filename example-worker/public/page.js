import { startChat } from "./chat.js";
import { startCheers } from "./cheers.js";
import { showCode } from "./code.js";
import { startListeners } from "./listeners.js";
import { startOrder } from "./order.js";
import { startPrices } from "./prices.js";
import { startReconnect } from "./reconnect.js";
import { onceSeen } from "./seen.js";
import { startSleeper } from "./sleeper.js";

const section = (id) => document.getElementById(id);

for (const figure of document.querySelectorAll("[data-region]")) showCode(figure);
startOrder(section("order"));
onceSeen(section("hibernation"), startSleeper);
onceSeen(section("slow"), startPrices);
onceSeen(section("reconnect"), startReconnect);
onceSeen(section("crowd"), (crowd) => {
  const hall = startListeners(crowd.querySelector(".listeners"), "page", 40);
  startCheers(crowd.querySelector(".cheers"), hall);
});
startChat(section("chat"));
document.querySelector("footer code").textContent = `npx wscat -c ${location.origin.replace(/^http/, "ws")}/echo`;
