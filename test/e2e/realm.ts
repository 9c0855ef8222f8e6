// The client in a realm of its own, with the globals that a test gives it.
import { join } from "node:path";
import { createContext, runInContext } from "node:vm";

import { build } from "esbuild";
import { WebSocket } from "ws";

import type * as client from "../../src/client/index.ts";

const bundle = build({
  entryPoints: [join(import.meta.dirname, "../../src/client/index.ts")],
  bundle: true,
  format: "iife",
  globalName: "client",
  target: "es2024",
  write: false,
});

/** The platform's globals that the client uses if they exist. */
export const PLATFORM: Readonly<Record<string, unknown>> = {
  Blob,
  CloseEvent,
  Event,
  EventTarget,
  MessageEvent,
  TextDecoder,
  TextEncoder,
  WebSocket,
  btoa,
};

/** `socle/client` in a realm with these globals and those of ECMAScript. */
export async function moduleWith(globals: Readonly<Record<string, unknown>>): Promise<typeof client> {
  const { outputFiles } = await bundle;
  const context = createContext({ setTimeout, clearTimeout, queueMicrotask, ...globals });
  return runInContext(`${outputFiles[0]!.text}; client`, context) as typeof client;
}

/** The SocleWebSocket of such a realm. */
export async function clientWith(globals: Readonly<Record<string, unknown>>): Promise<typeof client.SocleWebSocket> {
  return (await moduleWith(globals)).SocleWebSocket;
}

/** The same without the named globals. */
export function clientWithout(...names: string[]): Promise<typeof client.SocleWebSocket> {
  return clientWith(without(...names));
}

export const without = (...names: string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(PLATFORM).filter(([name]) => !names.includes(name)));
