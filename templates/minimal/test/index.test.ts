import { exports } from "cloudflare:workers";
import { connect, hibernate } from "socle/testing";
import { expect, it } from "vitest";

it("echoes", async () => {
  const client = await connect(exports.default, "/echo");
  expect(await client.ask("hello")).toBe("echo: hello");
  await client.close();
});

it("tells everybody in a room what one says, also after the room has slept", async () => {
  const ada = await connect(exports.default, "/chat/lobby?name=ada");
  const bob = await connect(exports.default, "/chat/lobby?name=bob");
  expect(await ada.next()).toBe("bob has joined lobby");
  await hibernate(exports.Chat.getByName("/chat/lobby"));
  bob.send("hello");
  expect(await ada.next()).toBe("bob: hello");
});
