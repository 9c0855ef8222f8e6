// A client that follows no rule: it writes the bytes of its handshake and its frames itself.
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export const HANDSHAKE: readonly string[] = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyBpdA==",
];

export const requestOf = (path: string, lines: readonly string[]): string =>
  `GET ${path} HTTP/1.1\r\nHost: socle.test\r\n${lines.join("\r\n")}\r\n\r\n`;

export interface Raw {
  socket: Socket;
  /** The status of the answer; 0 if the connection ended without one. */
  status: number;
}

/** A connection that has sent nothing yet. */
export async function dial(host: string): Promise<Socket> {
  const [name, port] = host.split(":") as [string, string];
  const socket = connect(Number(port), name);
  socket.on("error", () => {});
  await Promise.race([once(socket, "connect"), once(socket, "close")]);
  return socket;
}

/** Writes the head of a request, and waits for the head of the answer. */
export async function ask(host: string, head: string): Promise<Raw> {
  const socket = await dial(host);
  socket.write(head, "latin1");
  let answer = "";
  const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const answered = new Promise<void>((resolve) => {
    const read = (data: Buffer) => {
      answer += data.toString("latin1");
      if (!answer.includes("\r\n\r\n")) return;
      socket.off("data", read);
      resolve();
    };
    socket.on("data", read);
  });
  await Promise.race([answered, ended]);
  return { socket, status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0) };
}

/** A masked frame. The mask is zero. */
export function frame(opcode: number, payload: Uint8Array, isFinal = true, isMasked = true): Uint8Array {
  const { length } = payload;
  const size =
    length < 126
      ? [length]
      : length < 65_536
        ? [126, length >> 8, length & 255]
        : [127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255];
  size[0]! |= isMasked ? 0x80 : 0;
  return Buffer.concat([
    Uint8Array.of((isFinal ? 0x80 : 0) | opcode, ...size, ...(isMasked ? [0, 0, 0, 0] : [])),
    payload,
  ]);
}

/** The same frame many times. */
export function frames(count: number, opcode: number, payload: Uint8Array, isFinal = true): Uint8Array {
  const one = frame(opcode, payload, isFinal);
  return Buffer.alloc(one.length * count, one);
}
