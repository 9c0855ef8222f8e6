// The same slow handler without Socle. While one call awaits something, the platform calls it for the next message.
import { DurableObject } from "cloudflare:workers";

import { work } from "./work.ts";

// #region bare-order
export class BareOrder extends DurableObject {
  override fetch() {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  override async webSocketMessage(socket: WebSocket, text: string) {
    await work(text); // a query or a fetch
    socket.send(text);
  }
}
// #endregion
