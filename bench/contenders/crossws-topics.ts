// crossws with topics: the peers' topics are in the attachment, and each publication looks at all sockets.
import { DurableObject } from "cloudflare:workers";
import crossws, { type CloudflareDurableAdapter } from "crossws/adapters/cloudflare";

import { NEWS, topicsOf } from "./subscribed.ts";

let instances = 0;

const adapter: CloudflareDurableAdapter = crossws({
  hooks: {
    open(peer) {
      for (const topic of topicsOf(new URL(peer.request.url).searchParams)) peer.subscribe(topic);
    },
    message(peer, message) {
      const payload = `${message.text()} ${instances}`;
      peer.send(payload);
      // To all but the publisher.
      peer.publish(NEWS, payload);
    },
  },
  resolveDurableStub: (request, env) => {
    const [, , , name] = new URL(request!.url).pathname.split("/");
    return (env as Env).Topic.getByName(name!);
  },
});

export class Topic extends DurableObject {
  readonly instance = ++instances;

  override fetch(request: Request): Promise<Response> {
    return adapter.handleDurableUpgrade(this, request);
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    return adapter.handleDurableMessage(this, socket, message);
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string, wasClean: boolean): Promise<void> {
    return adapter.handleDurableClose(this, socket, code, reason, wasClean);
  }
}

interface Env {
  Topic: DurableObjectNamespace<Topic>;
}

export default {
  fetch(request, env, context) {
    const [, , work] = new URL(request.url).pathname.split("/");
    if (work !== "topic" || request.headers.get("Upgrade")?.toLowerCase() !== "websocket") {
      return new Response("Not Found", { status: 404 });
    }
    return adapter.handleUpgrade(request, env, context);
  },
} satisfies ExportedHandler<Env>;
