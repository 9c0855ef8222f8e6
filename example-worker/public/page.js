import { startChat } from "./chat.js";
import { startEcho } from "./echo.js";
import { startFacts } from "./facts.js";
import { startTicker } from "./ticker.js";

const section = (id) => document.getElementById(id);

startChat(section("chat"));
startFacts(section("facts"));
startEcho(section("echo"));
startTicker(section("ticker"));
