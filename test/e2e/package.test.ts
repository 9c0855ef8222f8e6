// The package as a new user gets it: packed, installed in another folder with the template, type-checked and built.
import { access, cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";

import { pack, run as commandIn, type Packed } from "./packed.ts";
import { Client, wranglerDev } from "./server.ts";

const root = join(import.meta.dirname, "../..");
const template = join(root, "templates/minimal");

/** The bindings of the template. */
const ENV = `
interface Env {
  Endpoints: DurableObjectNamespace<import("./src/index.ts").Endpoints>;
  Chat: DurableObjectNamespace<import("./src/index.ts").Chat>;
}
`;

let folder: string;
let packed: Packed;

const run = async (command: string, args: readonly string[]) => (await commandIn(command, args, folder)).stdout;

const file = (path: string) => readFile(join(folder, path), "utf8");

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "socle-package-"));
  await cp(template, folder, { recursive: true });
  packed = await pack(folder);
  const manifest = JSON.parse(await file("package.json")) as Record<string, Record<string, string>>;
  manifest.dependencies!.socle = `file:${packed.filename}`;
  Object.assign(manifest.devDependencies!, {
    "typescript-5": "npm:typescript@^5.9.3",
    "@cloudflare/workers-types": "^5.20261117.1",
  });
  await writeFile(join(folder, "package.json"), JSON.stringify(manifest));
  await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the package", () => {
  it("has only what users need", () => {
    const paths = packed.files.map(({ path }) => path);
    const others = paths.filter(
      (path) => !/^((dist|src)\/.*\.(ts|js|map)|docs\/[\w-]+\.md|docs\/images\/[\w-]+\.(svg|png|webp))$/.test(path),
    );
    expect(others.toSorted()).toEqual([
      "AGENTS.md",
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "SECURITY.md",
      ...["broadcast", "memory", "ratios", "scale", "wake"].map((name) => `bench/results/${name}.svg`),
      "llms.txt",
      "package.json",
    ]);
  });

  it("has source maps that point to sources it has", async () => {
    const maps = packed.files.map(({ path }) => path).filter((path) => path.endsWith(".map"));
    expect(maps.length).toBeGreaterThan(20);
    for (const path of maps) {
      const { sources } = JSON.parse(await file(join("node_modules/socle", path))) as { sources: string[] };
      for (const source of sources) await access(join(folder, "node_modules/socle", path, "..", source));
    }
  });

  it("has no member of a public class or interface that the reference leaves out", async () => {
    const reference = (await readFile(join(root, "docs/api.md"), "utf8")).split(/^### /m).slice(1);
    const sections = new Map(reference.map((text) => [/^`([^`]+)`/.exec(text)?.[1], text]));
    // The parts of public types.
    sections.set("CommonOptions", sections.get("EndpointOptions")!);
    sections.set("ClassOptions", sections.get("EndpointOptions")!);
    sections.set("WholeCodec", sections.get("SessionCodec")!);
    const missing: string[] = [];
    let count = 0;
    for (const { path } of packed.files.filter(({ path: one }) => one.endsWith(".d.ts"))) {
      const declared = await file(join("node_modules/socle", path));
      for (const { 1: name, 2: body } of declared.matchAll(
        /^(?:\w+ )*(?:interface|class) (\w+)[^]*?\{\n([^]*?)^\}/gm,
      )) {
        const section = sections.get(name);
        for (const [, member] of body!.matchAll(/^ {4}(?:\w+ )*(\w+)[?(<:;]/gm)) {
          if (!section) continue;
          count++;
          if (!new RegExp(`\\b${member}\\b`).test(section)) missing.push(`${name}.${member}`);
        }
      }
    }
    expect(count).toBeGreaterThan(100);
    expect(missing).toEqual([]);
  });

  it.each(["typescript", "typescript-5"])("has the types of test/types.test.ts with %s", async (typescript) => {
    const types = ["@cloudflare/workers-types", "@cloudflare/vitest-plugin/types"];
    const config = { extends: "./tsconfig.json", compilerOptions: { types }, files: ["types.test.ts"], include: [] };
    await cp(join(root, "test/types.test.ts"), join(folder, "types.test.ts"));
    await writeFile(join(folder, "tsconfig.types.json"), JSON.stringify(config));
    const tsc = join(folder, "node_modules", typescript, "bin/tsc");
    expect(await run(process.execPath, [tsc, "-p", "tsconfig.types.json"])).toBe("");
  });

  it.each(["typescript", "typescript-5"])("type-checks in the template with %s, libraries too", async (typescript) => {
    const tsc = join(folder, "node_modules", typescript, "bin/tsc");
    // Without the tests, which need the types of the test runner, and without wrangler's generated types, which have errors.
    const compilerOptions = { skipLibCheck: false, types: ["@cloudflare/workers-types"] };
    const config = JSON.stringify({ extends: "./tsconfig.json", compilerOptions, include: ["src", "env.d.ts"] });
    await writeFile(join(folder, "tsconfig.libraries.json"), config);
    await writeFile(join(folder, "env.d.ts"), ENV);
    expect(await run(process.execPath, [tsc, "-p", "tsconfig.libraries.json"])).toBe("");
  });

  it("brings no other package with it", async () => {
    const { dependencies } = JSON.parse(await file("node_modules/socle/package.json")) as { dependencies?: object };
    expect(dependencies).toBeUndefined();
  });
});

describe("the README", () => {
  it("has files of a Worker that is checked, tested and served as they are", async () => {
    const readme = await readFile(join(root, "README.md"), "utf8");
    const project = join(folder, "readme");
    for (const name of [
      "src/index.ts",
      "wrangler.jsonc",
      "tsconfig.json",
      "client.ts",
      "test/chat.test.ts",
      "vitest.config.mts",
    ]) {
      const [, code] = new RegExp(`\`${name}\`[^]*?\n\`\`\`\\w+\n([^]*?)^\`\`\``, "m").exec(readme)!;
      await mkdir(join(project, name, ".."), { recursive: true });
      await writeFile(join(project, name), code!);
    }
    const node = async (...args: string[]) =>
      (await commandIn(process.execPath, [join(folder, "node_modules", args[0]!), ...args.slice(1)], project)).stdout;
    await node("wrangler/bin/wrangler.js", "types");
    expect(await node("typescript/bin/tsc")).toBe("");
    expect(await node("vitest/vitest.mjs", "run")).toMatch(/1 passed/);
    const server = await wranglerDev("readme/wrangler.jsonc", folder);
    try {
      expect(await server.text("/chat/lobby")).toMatch(/^This is a WebSocket endpoint/);
      const ada = await server.connect("/chat/lobby?name=ada");
      ada.send("hello");
      expect(await ada.next()).toBe("ada (1): hello");
      await ada.close(1000);
    } finally {
      await server.stop();
    }
  });
});

/** A page's code that uses the client. */
const PAGE = `
import { WebSocket as PartyWebSocket } from "partysocket";
import ReconnectingWebSocket from "reconnecting-websocket";
import { chan } from "socle/channel";
import { SocleWebSocket, type ClientData } from "socle/client";

export const socket: WebSocket = new SocleWebSocket(
  new URL("wss://example.com"),
  ["chat"],
);
export const Platform: new (url: string, protocols?: string[]) => Pick<WebSocket, "send" | "close"> = SocleWebSocket;
export const party = new PartyWebSocket("wss://example.com", [], { WebSocket: SocleWebSocket });
export const reconnecting = new ReconnectingWebSocket("wss://example.com", [], { WebSocket: SocleWebSocket });
export const under = new SocleWebSocket("wss://example.com", "chat", { WebSocket });
under.binaryType = "arraybuffer";
under.onmessage = ({ data }) => data satisfies string | ArrayBuffer | Blob;
under.addEventListener("close", ({ code, reason, wasClean }) => console.log(code, reason, wasClean), { once: true });
under.removeEventListener("open", null);
under.send(new Blob([]));
for await (const data of under) data satisfies ClientData;
export const taken: string | undefined = await chan<string>().take({ signal: AbortSignal.timeout(1000) });
`;

/** A Node program that uses the client. */
const PROGRAM = `
import { chan } from "socle/channel";
import { SocleWebSocket } from "socle/client";
import WebSocket, { WebSocket as Named } from "ws";

export const other = new SocleWebSocket("wss://example.com", [], { WebSocket: Named });
const socket = new SocleWebSocket(new URL("wss://example.com"), "chat", { WebSocket });
socket.onopen = () => socket.send(Buffer.from("hello"));
socket.addEventListener("error", console.error);
for await (const data of socket) console.log(typeof data === "string" ? data : data instanceof Blob ? data.size : data.byteLength);
export const isPut: boolean = await chan<string>(1).put("text", { signal: AbortSignal.any([]) });
`;

/** A Worker that uses the client, beside the server's code. */
const WORKER = `
import { addEndpoint, onOpenStartWsConnection, ServerContainer } from "socle";
import { SocleWebSocket } from "socle/client";

const container = new ServerContainer();
addEndpoint(container, "/echo", {
  flowControl: { window: 65_536 },
  onOpen: onOpenStartWsConnection(),
  onText: (send, text) => send.put(text),
});
export class Endpoints extends container.Endpoint {}
export default container;

export async function first(url: string) {
  for await (const data of new SocleWebSocket(url)) return data;
  return undefined;
}
`;

describe("socle/channel, socle/client and flowControl", () => {
  it.each([
    ["page", PAGE, ["es2024", "dom"], []],
    ["program", PROGRAM, ["es2024"], ["node"]],
    ["program-and-page", PROGRAM, ["es2024", "dom"], ["node"]],
    ["worker", WORKER, ["es2024"], ["@cloudflare/workers-types"]],
  ])("F9, P15: type-check in a %s, libraries too", async (name, text, lib, types) => {
    const modules = join(root, "node_modules");
    const config = {
      extends: "./tsconfig.json",
      compilerOptions: {
        lib,
        types,
        skipLibCheck: false,
        exactOptionalPropertyTypes: true,
        typeRoots: [join(modules, "@types"), "node_modules"],
        // Takes these from this repository, in its versions.
        paths: Object.fromEntries(
          Object.entries({
            partysocket: "partysocket/index.d.ts",
            "reconnecting-websocket": "reconnecting-websocket",
            ws: "@types/ws",
          }).map(([one, path]) => [one, [join(modules, path)]]),
        ),
      },
      files: [`${name}.ts`],
      include: [],
    };
    await writeFile(join(folder, `${name}.ts`), text);
    await writeFile(join(folder, `tsconfig.${name}.json`), JSON.stringify(config));
    for (const typescript of ["typescript", "typescript-5"]) {
      const tsc = join(folder, "node_modules", typescript, "bin/tsc");
      expect(await run(process.execPath, [tsc, "-p", `tsconfig.${name}.json`])).toBe("");
    }
  });

  /** A bundle for a page, or for a Worker. */
  async function bundled(contents: string): Promise<Uint8Array> {
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: folder },
      bundle: true,
      minify: true,
      format: "esm",
      target: "es2024",
      external: ["cloudflare:*"],
      write: false,
    });
    return outputFiles[0]!.contents;
  }

  it("F9: the client is at most 3,072 bytes, gzipped, and nothing of a Worker's", async () => {
    const code = await bundled(`export { SocleWebSocket } from "socle/client";`);
    expect(gzipSync(code, { level: 9 }).length).toBeLessThanOrEqual(3072);
    expect(new TextDecoder().decode(code)).not.toMatch(/\bimport\b|flowControl|DurableObject/);
  });

  it("C6: with SocleClient it is at most 5,120", async () => {
    const code = await bundled(`export { SocleClient, SocleWebSocket } from "socle/client";`);
    expect(gzipSync(code, { level: 9 }).length).toBeLessThanOrEqual(5120);
    expect(new TextDecoder().decode(code)).not.toMatch(/\bimport\b|flowControl|DurableObject/);
  });

  it("F1: a Worker speaks socle.v1 with nothing imported beside socle, as wrangler builds it", async () => {
    await writeFile(join(folder, "flow.ts"), WORKER);
    await writeFile(
      join(folder, "flow.jsonc"),
      JSON.stringify({
        name: "flow",
        main: "flow.ts",
        compatibility_date: "2026-10-01",
        durable_objects: { bindings: [{ name: "Endpoints", class_name: "Endpoints" }] },
        migrations: [{ tag: "v1", new_sqlite_classes: ["Endpoints"] }],
      }),
    );
    const server = await wranglerDev("flow.jsonc", folder);
    try {
      const client = new Client(new WebSocket(`ws://${server.host}/echo`, ["socle.v1"]));
      expect((await client.settings())[0]).toBe(65_536);
      expect(client.socket.protocol).toBe("socle.v1");
      await client.close(1000);
    } finally {
      await server.stop();
    }
  });
});
