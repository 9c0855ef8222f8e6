// Endpoints for clients of `socle.v1`, and for a controlling client without it, which tells the object what to send and
// asks for its state.
import { addEndpoint, ServerContainer, slidingBuffer, startWsConnection, type Session } from "socle";
import { SocleWebSocket } from "socle/client";

interface Env {
  Endpoints: DurableObjectNamespace<Endpoints>;
}

/**
 * A message: its kind, how often its text or byte is repeated, and the text or byte. "turn" waits for a turn of the
 * event loop.
 */
export type Made = readonly ["text", number, string] | readonly ["binary", number, number] | readonly ["turn"];

/** A command of the controlling client: to which session the object sends what, and how often. */
export interface Command {
  what: "send" | "put" | "slide" | "close" | "state";
  to: string;
  messages?: readonly Made[];
  times?: number;
  code?: number;
}

/** The state of a session. */
export interface State {
  isOpen: boolean;
  bufferedAmount: number;
  /** How many sends without a channel have resolved, and the names of the errors of the others. */
  sent: number;
  failed: string[];
  /** How many puts the channel took, how many of these messages were sent, and the results of the others. */
  put: number;
  taken: number;
  results: string[];
  errors: string[];
  closes: number[];
}

const container = new ServerContainer<Env>();

const states = new Map<string, State>();

function stateOf(name: string): State {
  let state = states.get(name);
  if (!state) {
    state = {
      isOpen: false,
      bufferedAmount: 0,
      sent: 0,
      failed: [],
      put: 0,
      taken: 0,
      results: [],
      errors: [],
      closes: [],
    };
    states.set(name, state);
  }
  return state;
}

const nameOf = ({ requestParameterMap }: Session) => requestParameterMap.get("name") ?? "";

const messageOf = ([kind, count, unit]: Exclude<Made, readonly ["turn"]>) =>
  kind === "text" ? unit.repeat(count) : new Uint8Array(count).fill(unit);

async function* madeOf({ messages = [], times = 1 }: Command) {
  for (let time = 0; time < times; time++) {
    for (const made of messages) {
      if (made[0] === "turn") await scheduler.wait(0);
      else yield messageOf(made);
    }
  }
}

async function send(command: Command, session: Session): Promise<void> {
  const state = stateOf(command.to);
  for await (const message of madeOf(command)) {
    const sending =
      typeof message === "string" ? session.asyncRemote.sendText(message) : session.asyncRemote.sendBinary(message);
    sending.then(
      () => state.sent++,
      (error: Error) => state.failed.push(error.name),
    );
  }
}

async function put(command: Command, session: Session): Promise<void> {
  const state = stateOf(command.to);
  const channel = startWsConnection(session, { sendBufferOrN: command.what === "slide" ? slidingBuffer(1) : 4 });
  for await (const message of madeOf(command)) {
    const response = {
      put: (result: "success" | Error) =>
        result === "success" ? void state.taken++ : void state.results.push(result.name),
    };
    if (!(await channel.put([message, response]))) return;
    state.put++;
  }
}

/** Follows a command at once, and answers when it is done. It does not wait for a put. */
async function follow(command: Command, openSessions: Iterable<Session>): Promise<State> {
  const session = [...openSessions].find((one) => nameOf(one) === command.to);
  if (session && command.what === "send") await send(command, session);
  else if (session && (command.what === "put" || command.what === "slide")) void put(command, session);
  else if (session && command.what === "close") session.close(command.code ?? 1000, "as told");
  const { isOpen = false, asyncRemote } = session ?? {};
  return Object.assign(stateOf(command.to), { isOpen, bufferedAmount: asyncRemote?.bufferedAmount ?? 0 });
}

const common = {
  maxPendingMessages: 100_000,

  async onText(_: unknown, text: string, session: Session) {
    if (text === "hush") return undefined;
    if (nameOf(session) !== "control") return session.asyncRemote.sendText(text);
    const state = await follow(JSON.parse(text) as Command, session.openSessions);
    return session.asyncRemote.sendText(JSON.stringify(state));
  },

  onBinary: (_: unknown, data: ArrayBuffer, { asyncRemote }: Session) => asyncRemote.sendBinary(data),

  onError: (_: unknown, session: Session, { name }: Error) => void stateOf(nameOf(session)).errors.push(name),

  onClose: (_: unknown, session: Session, { closeCode }: { closeCode: number }) =>
    void stateOf(nameOf(session)).closes.push(closeCode),
};

addEndpoint(container, "/usual/{room}", { ...common, subprotocols: ["chat", "news"], flowControl: true });
addEndpoint(container, "/narrow/{room}", {
  ...common,
  flowControl: { window: 4096, maxBufferedAmount: 16_384, stallTimeoutMs: 600_000 },
});
addEndpoint(container, "/strict/{room}", {
  ...common,
  flowControl: { window: 4096, maxBufferedAmount: 16_384, stallTimeoutMs: 500 },
});
addEndpoint(container, "/answering/{room}", {
  ...common,
  autoResponse: { request: "ping", response: "pong" },
  flowControl: { window: 2048 },
});
addEndpoint(container, "/plain/{room}", { ...common, subprotocols: ["chat"] });
addEndpoint(container, "/refused", { flowControl: true, onHandshake: () => new Response("No", { status: 401 }) });

/** Reports each message, and the subprotocol. */
const told = {
  onText: (_: unknown, text: string, { asyncRemote, negotiatedSubprotocol: subprotocol }: Session) =>
    asyncRemote.sendText(JSON.stringify({ subprotocol, text })),
  onBinary: (_: unknown, data: ArrayBuffer, { asyncRemote, negotiatedSubprotocol: subprotocol }: Session) =>
    asyncRemote.sendText(JSON.stringify({ subprotocol, bytes: [...new Uint8Array(data)] })),
  onError: () => {},
};
addEndpoint(container, "/told", { ...told, subprotocols: ["chat"], flowControl: true });
addEndpoint(container, "/told/plain", { ...told, subprotocols: ["chat"] });

export class Endpoints extends container.Endpoint {}

/** The errors of listeners that the runtime reported. */
const reported: string[] = [];
(globalThis as never as EventTarget).addEventListener("error", (event) => {
  const { message } = (event as ErrorEvent).error as Error;
  if (!message.startsWith("thrown at")) return;
  reported.push(message);
  event.preventDefault();
});

/** Asks for three echoes with a listener that throws. */
async function throwing(url: string): Promise<Response> {
  const socket = new SocleWebSocket(url);
  const seen: unknown[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.addEventListener("open", () => ["a", "b", "c"].forEach((text) => socket.send(text)));
  socket.addEventListener("message", ({ data }) => {
    if (seen.push(data) === 3) resolve();
    throw new Error(`thrown at ${String(data)}`);
  });
  await promise;
  // The runtime reports an error in the next turn.
  await scheduler.wait(0);
  socket.close(1000);
  return Response.json({ seen, reported: reported.splice(0) });
}

export default {
  /** Under "/from/{path}" a client in the Worker connects to an endpoint and asks it for an echo. */
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const { pathname, host } = new URL(request.url);
    if (pathname.startsWith("/throwing/")) return throwing(`ws://${host}${pathname.slice(9)}`);
    if (!pathname.startsWith("/from/")) return container.fetch(request, env, ctx);
    const socket = new SocleWebSocket(`ws://${host}${pathname.slice(5)}`);
    socket.binaryType = "arraybuffer";
    const iterator = socket[Symbol.asyncIterator]();
    const opened = Promise.withResolvers<void>();
    socket.addEventListener("open", () => opened.resolve());
    await opened.promise;
    socket.send("text");
    socket.send(Uint8Array.of(0, 1, 2));
    const text = (await iterator.next()).value;
    const bytes = [...new Uint8Array((await iterator.next()).value as ArrayBuffer)];
    const { url, protocol } = socket;
    socket.close(1000, "enough");
    const rest = await iterator.next();
    return Response.json({ text, bytes, protocol, path: new URL(url).pathname, rest });
  },
};
