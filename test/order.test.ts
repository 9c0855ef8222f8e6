import { onOpenStartWsConnection } from "socle";
import { expect, it } from "vitest";

import { serve } from "./support/endpoint.ts";

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

it("R11: answers messages in the order sent, however long each callback takes", async () => {
  const endpoint = serve({
    onOpen: onOpenStartWsConnection(),
    async onText(send, ms) {
      if (ms !== "0") await pause(Number(ms));
      await send.put(ms);
    },
  });
  const client = await endpoint.connect();
  client.send("120", "0", "60", "1", "0");
  expect(await client.take(5)).toEqual(["120", "0", "60", "1", "0"]);
});

it("R21: echo works after hibernation", async () => {
  const endpoint = serve({
    onOpen: onOpenStartWsConnection(),
    onText: (send, text) => send.put(text),
  });
  const client = await endpoint.connect();
  expect(await client.ask("a")).toBe("a");
  await endpoint.hibernate();
  expect(await client.ask("b")).toBe("b");
  client.socket.close();
  console.log(await client.closed);
});
