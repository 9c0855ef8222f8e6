// The browser of these tests: the machine's own, for none is downloaded.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

import { chromium, type Browser } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The path of a Chromium: that of the variable CHROMIUM, or the first on the path. */
function find(): string {
  const { CHROMIUM, PATH = "" } = process.env;
  const paths = PATH.split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  for (const path of CHROMIUM ? [CHROMIUM] : paths) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // It is not there.
    }
  }
  throw new Error(
    CHROMIUM
      ? `There is no ${CHROMIUM}: set CHROMIUM to the path of a Chromium, or unset it.`
      : "No Chromium on the path: install one (Debian: apt-get install chromium), or set CHROMIUM to its path.",
  );
}

export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: find(),
    // The sandbox needs a user that is not root.
    args: [
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-quic",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
    ],
  });
