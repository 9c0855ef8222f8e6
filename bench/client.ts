// A process of clients: opens connections to one contender and measures it from outside.
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";

import { WebSocket } from "ws";

import { medians } from "./statistics.ts";

/** The requests of the bench, and their answers. */
export interface Requests {
  /** Opens connections, and keeps them. */
  open(request: { url: string; count: number; protocol?: string | undefined }): Promise<number>;
  /** Each connection sends, waits for its answer, and sends again. */
  echo(request: { seconds: number; bytes: number }): Promise<Traffic>;
  /** One connection asks for messages to each, by default one, and asks again when all have them. */
  broadcast(request: { seconds: number; message?: string; each?: number }): Promise<Traffic>;
  /** One connection asks several times for a message to all, while another has its own echoed, one after the other. */
  crowd(request: { times: number }): Promise<{ longest: number; all: number }>;
  /** One connection asks for 100 messages to all, and asks again when all have them. */
  burst(request: { seconds: number }): Promise<Traffic>;
  /** Opens a connection that asks for everything and never reads. Returns when it has asked. */
  stall(request: { url: string; protocol?: string | undefined }): Promise<void>;
  /** Each connection sends a message whose answer takes 3 ms, and one whose answer takes none. */
  slow(request: { seconds: number }): Promise<Traffic & { reordered: number }>;
  /** Opens connections, twenty at a time, and keeps them. */
  opening(request: { url: string; seconds: number; atMost: number }): Promise<Traffic>;
  /** One message on the first connection to the room that has waited longest. */
  ask(request: { connection: number; message?: string }): Promise<{ ms: number; answer: string }>;
  /** Opens a connection, and has one message echoed: from before the handshake until the echo. */
  greet(request: { url: string }): Promise<number>;
  /** Opens a connection, sends something, and closes: until the close event, or three seconds without one. */
  close(request: { url: string; code?: number | undefined }): Promise<{ ms: number | undefined; code: number }>;
  /** Ends all connections. */
  drop(request: object): Promise<number>;
}

export interface Traffic {
  /** Messages received, or connections opened. */
  count: number;
  seconds: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
}

let sockets: WebSocket[] = [];
let stalled: Socket[] = [];

async function connect(url: string, protocol?: string): Promise<WebSocket> {
  const options = { perMessageDeflate: false, skipUTF8Validation: true };
  const socket = new WebSocket(url, protocol === undefined ? [] : [protocol], options);
  if (protocol !== undefined) acknowledge(socket);
  // The close event follows each error.
  socket.on("error", () => {});
  await Promise.race([
    once(socket, "open"),
    once(socket, "close").then(() => Promise.reject(new Error(`${url} was not opened`))),
  ]);
  return socket;
}

/** The messages of a frame of `socle.v1`, and their size in credit. */
function contents(frame: Buffer, isBinary: boolean): { count: number; size: number } {
  // The settings are not a message.
  if (isBinary && frame[0] === 3) return { count: 0, size: 0 };
  // A text, or one binary message after its type.
  if (!isBinary || frame[0] !== 1) return { count: 1, size: frame.length - Number(isBinary) + 32 };
  let count = 0;
  let size = 0;
  for (let at = 1; at < frame.length; count++) {
    let header = 0;
    for (let unit = 1, byte = 128; byte > 127; unit *= 128) {
      byte = frame[at++]!;
      header += (byte % 128) * unit;
    }
    const length = Math.floor(header / 2);
    at += length;
    size += length + 32;
  }
  return { count, size };
}

/** Acknowledges at a quarter of the window, or 250 ms after the first message. */
function acknowledge(socket: WebSocket): void {
  let taken = 0;
  let unsaid = 0;
  let timer: NodeJS.Timeout | undefined;
  const say = () => {
    clearTimeout(timer);
    timer = undefined;
    unsaid = 0;
    const frame = [2];
    let rest = taken;
    for (; rest > 127; rest = Math.floor(rest / 128)) frame.push((rest % 128) + 128);
    socket.send(Uint8Array.from([...frame, rest]));
  };
  socket.on("message", (data: Buffer, isBinary) => {
    const { count, size } = contents(data, isBinary);
    if (count === 0) return;
    taken += count;
    unsaid += size;
    if (unsaid >= 65_536) say();
    else timer ??= setTimeout(say, 250).unref();
  });
}

/** Runs the work several times in parallel, again and again until the time is over. */
async function during(seconds: number, each: readonly (() => Promise<number>)[]): Promise<Traffic> {
  const times: number[] = [];
  let count = 0;
  const begun = performance.now();
  const end = begun + seconds * 1000;
  const one = async (work: () => Promise<number>) => {
    for (let start = performance.now(); start < end;) {
      // Two statements, because one would read the count before the wait.
      const done = await work();
      count += done;
      const now = performance.now();
      times.push(now - start);
      start = now;
    }
  };
  await Promise.all(each.map(one));
  const sorted = Float64Array.from(times).toSorted();
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
  return { count, seconds: (performance.now() - begun) / 1000, p50: at(0.5), p99: at(0.99) };
}

const answers: Requests = {
  async open({ url, count, protocol }) {
    for (let left = count; left > 0; left -= 50) {
      sockets.push(...(await Promise.all(Array.from({ length: Math.min(left, 50) }, () => connect(url, protocol)))));
    }
    return sockets.length;
  },

  echo({ seconds, bytes }) {
    const message = "x".repeat(bytes);
    const ask = (socket: WebSocket) => () =>
      new Promise<number>((resolve, reject) => {
        socket.once("message", (data: Buffer) =>
          data.length === bytes ? resolve(1) : reject(new Error(`An echo of ${data.length} bytes instead of ${bytes}`)),
        );
        socket.send(message);
      });
    return during(seconds, sockets.map(ask));
  },

  async broadcast({ seconds, message = "a message to everybody in the room", each = 1 }) {
    let waiting = 0;
    let all = () => {};
    const hear = () => void (--waiting === 0 && all());
    for (const socket of sockets) socket.on("message", hear);
    const tell = () =>
      new Promise<number>((resolve) => {
        const count = sockets.length * each;
        waiting = count;
        all = () => resolve(count);
        sockets[0]!.send(message);
      });
    const traffic = await during(seconds, [tell]);
    for (const socket of sockets) socket.off("message", hear);
    return traffic;
  },

  async crowd({ times }) {
    const [asking] = sockets;
    const speaking = sockets.at(-1)!;
    const samples: { longest: number; all: number }[] = [];
    for (let time = 0; time < times; time++) {
      const waiting = new Set(sockets);
      let echoed = () => {};
      const haveAll = () => waiting.size === 0;
      // The longer one is the broadcast.
      function hear(this: WebSocket, data: Buffer): void {
        if (data.length === 4) echoed();
        else waiting.delete(this);
      }
      for (const socket of sockets) socket.on("message", hear);
      let longest = 0;
      const begun = performance.now();
      speaking.send("a message to everybody in the room");
      while (!haveAll()) {
        const start = performance.now();
        await new Promise<void>((heard) => {
          echoed = heard;
          asking!.send("echo");
        });
        longest = Math.max(longest, performance.now() - start);
      }
      samples.push({ longest, all: performance.now() - begun });
      for (const socket of sockets) socket.off("message", hear);
    }
    const { longest = NaN, all = NaN } = medians(samples);
    return { longest, all };
  },

  async burst({ seconds }) {
    let waiting = 0;
    let all = () => {};
    const isFlow = sockets[0]!.protocol !== "";
    const hear = (data: Buffer, isBinary: boolean) => {
      waiting -= isFlow ? contents(data, isBinary).count : 1;
      if (waiting === 0) all();
    };
    for (const socket of sockets) socket.on("message", hear);
    const tell = () =>
      new Promise<number>((resolve) => {
        const count = sockets.length * 100;
        waiting = count;
        all = () => resolve(count);
        sockets[0]!.send("100 messages to everybody in the room");
      });
    const traffic = await during(seconds, [tell]);
    for (const socket of sockets) socket.off("message", hear);
    return traffic;
  },

  stall({ url, protocol }) {
    const { hostname, port, pathname } = new URL(url);
    const headers = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
    headers.push(`Host: ${hostname}`, `Sec-WebSocket-Key: ${btoa("sixteen bytes it")}`);
    if (protocol !== undefined) headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
    return new Promise((resolve, reject) => {
      let head = "";
      const heard = (length: number, bytes: Uint8Array) => {
        head += Buffer.from(bytes.subarray(0, length)).toString("latin1");
        if (!head.includes("\r\n\r\n")) return true;
        if (!head.startsWith("HTTP/1.1 101 ") || (protocol !== undefined && !head.includes(protocol))) {
          reject(new Error(`${url} was answered: ${head}`));
        }
        // A text frame, with a mask of zeros.
        const text = Buffer.from("send");
        socket.write(Buffer.concat([Buffer.of(0x81, 0x80 + text.length, 0, 0, 0, 0), text]), () => resolve());
        // From here on the client reads nothing, and the kernel's buffers fill up.
        return false;
      };
      const socket = connectTcp({
        host: hostname,
        port: Number(port),
        onread: { buffer: new Uint8Array(4096), callback: heard },
      });
      socket.on("error", reject);
      stalled.push(socket);
      socket.write(`GET ${pathname} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`);
    });
  },

  async slow({ seconds }) {
    let reordered = 0;
    const ask = (socket: WebSocket) => () =>
      new Promise<number>((resolve) => {
        const got: string[] = [];
        const hear = (data: Buffer) => {
          if (got.push(data.toString()) < 2) return;
          socket.off("message", hear);
          if (got[0] !== "3") reordered++;
          resolve(2);
        };
        socket.on("message", hear);
        socket.send("3");
        socket.send("0");
      });
    return { ...(await during(seconds, sockets.map(ask))), reordered };
  },

  opening({ url, seconds, atMost }) {
    const one = async () => {
      // Above the limit of open files nothing could be opened.
      if (sockets.length >= atMost) throw new Error(`More than ${atMost} connections in ${seconds} s`);
      sockets.push(await connect(url));
      return 1;
    };
    return during(
      seconds,
      Array.from({ length: 20 }, () => one),
    );
  },

  async ask({ connection, message = "awake?" }) {
    const socket = sockets[connection]!;
    const begun = performance.now();
    const answered = once(socket, "message") as Promise<[Buffer]>;
    socket.send(message);
    const [data] = await answered;
    return { ms: performance.now() - begun, answer: data.toString() };
  },

  async greet({ url }) {
    const begun = performance.now();
    const socket = await connect(url);
    sockets.push(socket);
    const echoed = once(socket, "message");
    socket.send("hello");
    await echoed;
    return performance.now() - begun;
  },

  async close({ url, code }) {
    const socket = await connect(url);
    const echoed = once(socket, "message");
    socket.send("hello");
    await echoed;
    const begun = performance.now();
    const closed = once(socket, "close") as Promise<[number]>;
    const patience = new Promise<undefined>((resolve) => setTimeout(resolve, 3000, undefined).unref());
    socket.close(code);
    const end = await Promise.race([closed, patience]);
    socket.terminate();
    return { ms: end && performance.now() - begun, code: end?.[0] ?? 0 };
  },

  async drop() {
    const dropped = sockets;
    sockets = [];
    for (const socket of stalled) socket.destroy();
    stalled = [];
    const ended = dropped.map((socket) => once(socket, "close"));
    for (const socket of dropped) socket.terminate();
    await Promise.all(ended);
    return dropped.length;
  },
};

async function answer({ name, request }: { name: keyof Requests; request: never }): Promise<void> {
  try {
    process.send!({ result: await answers[name](request) });
  } catch (error) {
    process.send!({ error: String(error) });
  }
}

process.on("message", (asked: Parameters<typeof answer>[0]) => void answer(asked));
