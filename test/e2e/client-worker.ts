// Endpoints for clients of `socle.v1`, and for one without it that tells the object what to send, and asks it what is so.
import { addEndpoint, ServerContainer, slidingBuffer, startWsConnection, type Session } from "socle";
import { SocleWebSocket } from "socle/client";

interface Env {
  Endpoints: DurableObjectNamespace<Endpoints>;
}

/** A message: its kind, how often its text or byte is repeated, and that. "turn" lets a turn of the event loop go by. */
export type Made = readonly ["text", number, string] | readonly ["binary", number, number] | readonly ["turn"];

/** What the controlling client says: to which session, what, and how often. */
export interface Command {
  what: "send" | "put" | "slide" | "close" | "state";
  to: string;
  messages?: readonly Made[];
  times?: number;
  code?: number;
}

/** What has become of a session. */
export interface State {
  isOpen: boolean;
  bufferedAmount: number;
  /** How many sends past the channel were resolved, and the names of the errors of those that were not. */
  sent: number;
  failed: string[];
  /** How many puts the channel took; how many messages of those it was told are sent; what the others were told. */
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

/** Does it at once, and answers when it is done; a put is not waited for. */
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

/** Tells what each message was, and on which subprotocol. */
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

/** What the runtime was told of the errors that listeners threw. */
const reported: string[] = [];
(globalThis as never as EventTarget).addEventListener("error", (event) => {
  const { message } = (event as ErrorEvent).error as Error;
  if (!message.startsWith("thrown at")) return;
  reported.push(message);
  event.preventDefault();
});

/** What becomes of three echoes if their listener throws. */
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
  // An error is told in the turn after.
  await scheduler.wait(0);
  socket.close(1000);
  return Response.json({ seen, reported: reported.splice(0) });
}

export default {
  /** "/from/{path}" is what a client that runs in the Worker is given by an endpoint, of which it asks for an echo. */
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
