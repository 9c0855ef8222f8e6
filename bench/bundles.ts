// The smallest Worker of each contender that echoes, and parts of Socle, minified and gzipped.
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const root = join(import.meta.dirname, "..");

const WORKERS: Record<string, string> = {
  "the floor": `
    import { DurableObject } from "cloudflare:workers";
    export class Echo extends DurableObject {
      fetch() {
        const { 0: webSocket, 1: socket } = new WebSocketPair();
        this.ctx.acceptWebSocket(socket);
        return new Response(null, { status: 101, webSocket });
      }
      webSocketMessage(socket, message) { socket.send(message); }
      webSocketClose(socket, code, reason) {
        try { socket.close(code, reason); } catch { socket.close(); }
      }
    }
    export default { fetch: (request, env) => env.Echo.getByName(new URL(request.url).pathname).fetch(request) };`,
  Socle: `
    import { ServerContainer, addEndpoint } from "socle";
    const container = new ServerContainer();
    addEndpoint(container, "/echo", { onText: (_, text, session) => session.asyncRemote.sendText(text) });
    export class Endpoints extends container.Endpoint {}
    export default container;`,
  "Socle, everything": `export * from "socle";`,
  "Socle, order and session object alone": `
    export { Dispatch } from "../src/session/dispatch.ts";
    export { SessionSendChannel } from "../src/sending/send-channel.ts";
    export { SessionObject } from "../src/session/session-object.ts";`,
  "the same with attachment and router": `
    export { Dispatch } from "../src/session/dispatch.ts";
    export { SessionSendChannel } from "../src/sending/send-channel.ts";
    export { SessionObject } from "../src/session/session-object.ts";
    export { readAttachment } from "../src/hibernation/attached.ts";
    export { Attachment } from "../src/hibernation/attachment.ts";
    export { Turns } from "../src/session/turns.ts";
    export { Router } from "../src/endpoint/router.ts";`,
  PartyServer: `
    import { routePartykitRequest, Server } from "partyserver";
    export class Echo extends Server {
      static options = { hibernate: true };
      onMessage(connection, message) { connection.send(message); }
    }
    export default { fetch: (request, env) => routePartykitRequest(request, env) };`,
  crossws: `
    import { DurableObject } from "cloudflare:workers";
    import crossws from "crossws/adapters/cloudflare";
    const adapter = crossws({ hooks: { message(peer, message) { peer.send(message.text()); } } });
    export class $DurableObject extends DurableObject {
      fetch(request) { return adapter.handleDurableUpgrade(this, request); }
      webSocketMessage(socket, message) { return adapter.handleDurableMessage(this, socket, message); }
      webSocketClose(socket, code, reason, clean) { return adapter.handleDurableClose(this, socket, code, reason, clean); }
    }
    export default { fetch: (request, env, context) => adapter.handleUpgrade(request, env, context) };`,
};

export async function bundles(): Promise<Record<string, { bytes: number; gzipped: number }>> {
  const sizes: Record<string, { bytes: number; gzipped: number }> = {};
  for (const [name, contents] of Object.entries(WORKERS)) {
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: import.meta.dirname },
      alias: { socle: join(root, "src/index.ts") },
      bundle: true,
      minify: true,
      format: "esm",
      target: "es2024",
      external: ["cloudflare:*", "node:*"],
      write: false,
    });
    const code = outputFiles[0]!.contents;
    sizes[name] = { bytes: code.length, gzipped: gzipSync(code, { level: 9 }).length };
  }
  return sizes;
}
