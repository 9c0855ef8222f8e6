// crossws, with a peer context that changes with each message and is kept each time.
//
// crossws itself doesn't keep it: the context is only in memory, and crossws documents that after hibernation a peer has
// no more than its id and its URL. The object therefore writes it into the attachment, beside the data of crossws. Storage, which
// it could use as well, would cost more.
import { DurableObject } from "cloudflare:workers";
import crossws, { type CloudflareDurableAdapter } from "crossws/adapters/cloudflare";

interface User {
  name: string;
  messages: number;
}

/** The attachment: the data of crossws, and the user. */
interface Attached {
  user: User;
}

/** The socket of the current message: a hook gets the peer, and the peer has no socket that could be written to. */
let attached: Attached;

const adapter: CloudflareDurableAdapter = crossws({
  hooks: {
    message(peer, message) {
      // After hibernation the peer is new and its context empty.
      const user = (peer.context["user"] ??= attached.user) as User;
      user.messages++;
      peer.send(message.text());
    },
  },
  resolveDurableStub: (request, env) => {
    const [, , , name] = new URL(request!.url).pathname.split("/");
    return (env as Env).Echo.getByName(name!);
  },
});

export class Echo extends DurableObject {
  readonly #attached = new WeakMap<WebSocket, Attached>();

  override fetch(request: Request): Promise<Response> {
    return adapter.handleDurableUpgrade(this, request);
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    const kept = this.#attached.get(socket) ?? {
      user: { name: "anonymous", messages: 0 },
      ...(socket.deserializeAttachment() as Partial<Attached>),
    };
    this.#attached.set(socket, kept);
    attached = kept;
    await adapter.handleDurableMessage(this, socket, message);
    socket.serializeAttachment(kept);
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string, wasClean: boolean): Promise<void> {
    return adapter.handleDurableClose(this, socket, code, reason, wasClean);
  }
}

interface Env {
  Echo: DurableObjectNamespace<Echo>;
}

export default {
  fetch(request, env, context) {
    const [, , work] = new URL(request.url).pathname.split("/");
    if (work !== "echo" || request.headers.get("Upgrade")?.toLowerCase() !== "websocket") {
      return new Response("Not Found", { status: 404 });
    }
    return adapter.handleUpgrade(request, env, context);
  },
} satisfies ExportedHandler<Env>;
