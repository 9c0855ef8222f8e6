import { startAnnouncement } from "./announcement.js";
import { startCheers } from "./cheers.js";
import { startListeners } from "./listeners.js";
import { startSource } from "./source.js";

const section = (id) => document.getElementById(id);

const hall = startListeners(section("listeners"));
startCheers(section("cheers"), hall);
startAnnouncement(section("announcement"), hall);
startSource(section("source"));
