// The browser of these tests: the machine's own, because none is downloaded.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

import { chromium, type Browser, type BrowserContext } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The path of a Chromium: from the variable CHROMIUM, or the first on the PATH. */
function find(): string {
  const { CHROMIUM, PATH = "" } = process.env;
  const paths = PATH.split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  for (const path of CHROMIUM ? [CHROMIUM] : paths) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // It is not in this folder.
    }
  }
  throw new Error(
    CHROMIUM
      ? `There is no ${CHROMIUM}: set CHROMIUM to the path of a Chromium, or unset it.`
      : "No Chromium on the path: install one (Debian: apt-get install chromium), or set CHROMIUM to its path.",
  );
}

const ARGS = [
  // The sandbox needs a user that is not root.
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

export const launch = (): Promise<Browser> => chromium.launch({ executablePath: find(), args: ARGS });

/**
 * A browser whose pages can be hidden by another page in front of them. Those of `launch` can't: Playwright makes each
 * believe that it is in front.
 */
export async function launchWithTabs(): Promise<{ context: BrowserContext; stop(): Promise<void> }> {
  const profile = await mkdtemp(join(tmpdir(), "socle-browser-"));
  // Without a page to open, it would open one for a new tab, for which Playwright waits for seconds, and sometimes
  // forever.
  const options = ["--headless", "--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"];
  const child = spawn(find(), [...ARGS, ...options], { stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(child, "exit");
  const kill = () => void child.kill();
  process.once("exit", kill);
  let output = "";
  const listening = new Promise<string>((resolve) => {
    child.stderr.on("data", (data: Buffer) => {
      output += data.toString();
      const [, endpoint] = /DevTools listening on (ws:\S+)/.exec(output) ?? [];
      if (endpoint) resolve(endpoint);
    });
  });
  const endpoint = await Promise.race([listening, exited.then(() => undefined)]);
  if (!endpoint) throw new Error(`Chromium has not started:\n${output}`);
  const browser = await chromium.connectOverCDP(endpoint, { noDefaults: true });
  const stop = async () => {
    await browser.close();
    kill();
    await exited;
    process.off("exit", kill);
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  return { context: browser.contexts()[0]!, stop };
}
