// One of the connections of a client: what its server has told, what it was given, and whether it is alive.
import type { Settings } from "../wire/settings.ts";
import type { ClientCloseEvent, ClientRecoveryEvent } from "./client-events.ts";
import type { ClientOptions } from "./client-options.ts";
import type { Sendable } from "./outbox.ts";
import { now, type Timer } from "./timer.ts";
import { SocleWebSocket, type Link, type Message } from "./web-socket.ts";

/** What a close event says. */
export type Closing = Pick<ClientCloseEvent, "code" | "reason" | "wasClean">;

/** Without a Close frame, or without a connection. */
export const LOST: Closing = { code: 1006, reason: "", wasClean: false };

export const SILENT = new Error("Nothing came within heartbeatTimeoutMs.");

/** What it needs of its client. */
export interface Host {
  readonly options: ClientOptions & {
    readonly heartbeatMs: number;
    readonly heartbeatTimeoutMs: number;
    readonly autoResponse?: { readonly request: string; readonly response: string };
  };
  /** The server takes messages. */
  begun(): void;
  message(message: Message, take: () => void): void;
  recovery(recovery: ClientRecoveryEvent): void;
  /** The server takes more messages. */
  goOn(): void;
  ended(closing: Closing, error?: unknown): void;
}

export interface Connection {
  readonly socket: SocleWebSocket;
  /** @returns false if the server takes no message now */
  give(data: Sendable): boolean;
  /** Asks at once whether somebody is there. */
  beat(): void;
  /** Its client hears no more of it. @returns how many messages may be lost, if the server has closed it so */
  drop(closing?: Closing): number;
}

/** @throws what the platform's WebSocket throws */
export function connect(url: string | URL, protocols: string | readonly string[], host: Host): Connection {
  const { heartbeatMs, heartbeatTimeoutMs, autoResponse } = host.options;
  let isSettled = false;
  let response: string | undefined;
  let request: string | undefined;
  /** How many messages may wait at the server; Infinity if it doesn't tell. */
  let most = Infinity;
  /** How many it is given at once, and in how many milliseconds it has forgotten one of them. */
  let burst = Infinity;
  let each = 0;
  let spentUntil = 0;
  let isOver = false;
  /** How many messages it was given, how many of them have arrived, and how many will have by the next answer. */
  let sent = 0;
  let arrived = 0;
  let arriving: number | undefined;
  let sentAt: number;
  let receivedAt: number;
  let isAwaited = false;
  let heart: Timer;
  let pause: Timer;
  /** Messages that came, from the first on that is not taken. */
  const untaken: { take: () => void; isTaken: boolean }[] = [];

  const wait = (milliseconds: number, run: () => void) => {
    clearTimeout(heart);
    heart = setTimeout(run, milliseconds);
  };
  const watch = () => {
    clearTimeout(heart);
    if (!heartbeatMs) return;
    const rest = Math.min(sentAt, receivedAt) + heartbeatMs - now();
    if (rest > 0) wait(rest, watch);
    else beat();
  };
  const beat = () => {
    if (!request || isAwaited) return;
    isAwaited = true;
    sentAt = now();
    // One whose answer hasn't come yet has asked already.
    if (arriving === undefined) {
      arriving = sent;
      socket.send(request);
    }
    const lost = () => host.ended(LOST, SILENT);
    // In two halves: behind a sleep, or a script that blocks, what has come meanwhile is read before the second has passed.
    wait(heartbeatTimeoutMs / 2, () => wait(heartbeatTimeoutMs / 2, lost));
  };
  const heard = () => {
    receivedAt = now();
    if (!isAwaited) return;
    isAwaited = false;
    watch();
  };
  const unlessOver =
    <Given extends unknown[]>(run: (...given: Given) => void) =>
    (...given: Given) => {
      if (!isOver) run(...given);
    };
  const link: Link = {
    ...host.options,
    settled: unlessOver((told: Settings) => {
      const [, answer = autoResponse?.response, question = autoResponse?.request, ...numbers] = told;
      const [waiting, messages, perMs] = numbers.map(Number) as [number, number, number];
      [response, request] = [answer, question];
      most = waiting || most;
      // Half of what it takes: on their way messages catch up with each other. How fast callbacks are nobody tells: as many as
      // may wait are taken to need a quarter of a second.
      burst = Math.min(messages || most, most) / 2;
      each = Math.max((perMs / messages) * 2 || 0, 500 / most);
      isSettled = true;
      sentAt = receivedAt = now();
      watch();
      host.begun();
    }),
    message: unlessOver((message: Message, take: () => void, isCounted: boolean) => {
      if (!isCounted && message.data === response && arriving !== undefined) {
        arrived = arriving;
        // Before the next one, which may be due at once.
        arriving = undefined;
        heard();
        return host.goOn();
      }
      heard();
      const one = { take, isTaken: false };
      untaken.push(one);
      host.message(message, () => {
        one.isTaken = true;
        // An acknowledgement stands for all before it too.
        while (untaken[0]?.isTaken) untaken.shift()!.take();
      });
    }),
  };
  const socket = new SocleWebSocket(url, protocols, link);
  socket.addEventListener(
    "recovery",
    unlessOver((recovery) => {
      heard();
      host.recovery(recovery);
    }),
  );
  socket.addEventListener(
    "close",
    unlessOver(({ code, reason, wasClean }) => host.ended({ code, reason, wasClean })),
  );
  return {
    socket,
    give(data) {
      if (!isSettled || socket.readyState !== 1) return false;
      const early = spentUntil - now() - Math.max(each * (burst - 1) || 0, 0);
      clearTimeout(pause);
      if (early > 0) {
        pause = setTimeout(() => host.goOn(), early);
        return false;
      }
      spentUntil = Math.max(spentUntil, now()) + each;
      socket.send(data);
      sentAt = now();
      sent++;
      return true;
    },
    beat,
    drop({ code, wasClean } = LOST) {
      isOver = true;
      clearTimeout(heart);
      clearTimeout(pause);
      socket.close();
      // Of what has arrived a server that closes drops what waits for a callback, and behind a limit all that came.
      const dropped = [1008, 1009, 1013].includes(code) ? sent : most;
      return Math.min(sent, sent - arrived + (wasClean ? dropped : 0));
    },
  };
}
