// crossws with Durable Objects, set up as in its documentation: one adapter for each class, because each has its own hooks.
import { DurableObject } from "cloudflare:workers";
import crossws, { type CloudflareDurableAdapter } from "crossws/adapters/cloudflare";

type Options = NonNullable<Parameters<typeof crossws>[0]>;

const adapter = (work: string, hooks: NonNullable<Options["hooks"]>) =>
  crossws({
    hooks,
    resolveDurableStub: (request, env) => {
      const [, , , name] = new URL(request!.url).pathname.split("/");
      return (env as Record<string, DurableObjectNamespace>)[work]!.getByName(name!);
    },
  });

const echo = adapter("Echo", {
  message(peer, message) {
    peer.send(message.text());
  },
});

const room = adapter("Room", {
  open(peer) {
    peer.subscribe("room");
  },
  message(peer, message) {
    const text = message.text();
    peer.send(text);
    // To all but the sender.
    peer.publish("room", text);
  },
});

const slow = adapter("Slow", {
  async message(peer, message) {
    await scheduler.wait(Number(message.text()));
    peer.send(message.text());
  },
});

let instances = 0;

const wake = adapter("Wake", {
  message(peer) {
    peer.send(`${peer.id} ${instances}`);
  },
});

abstract class Sockets extends DurableObject {
  abstract readonly adapter: CloudflareDurableAdapter;

  override fetch(request: Request): Promise<Response> {
    return this.adapter.handleDurableUpgrade(this, request);
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    return this.adapter.handleDurableMessage(this, socket, message);
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string, wasClean: boolean): Promise<void> {
    return this.adapter.handleDurableClose(this, socket, code, reason, wasClean);
  }
}

export class Echo extends Sockets {
  readonly adapter = echo;
}

export class Room extends Sockets {
  readonly adapter = room;
}

export class Slow extends Sockets {
  readonly adapter = slow;
}

export class Wake extends Sockets {
  readonly adapter = wake;
  readonly instance = ++instances;
}

const adapters = new Map(Object.entries({ echo, room, slow, wake }));

export default {
  fetch(request, env, context) {
    const [, , work] = new URL(request.url).pathname.split("/");
    const found = adapters.get(work ?? "");
    if (!found || request.headers.get("Upgrade")?.toLowerCase() !== "websocket") {
      return new Response("Not Found", { status: 404 });
    }
    return found.handleUpgrade(request, env, context);
  },
} satisfies ExportedHandler;
