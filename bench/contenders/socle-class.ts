// Socle as classes.
import { addEndpoints, Endpoint, ServerContainer, type Session } from "socle";

const container = new ServerContainer();

interface User {
  name: string;
}

abstract class Base extends Endpoint<Cloudflare.Env, User> {
  override onOpen(): User {
    return { name: "anonymous" };
  }
}

export class Echo extends Base {
  override onText(_user: User, text: string, session: Session): void {
    void session.asyncRemote.sendText(text);
  }
}

export class Room extends Base {
  override onText(_user: User, text: string): void {
    this.broadcast(text);
  }
}

export class Crowd extends Base {
  override onText(_user: User, text: string, session: Session): void {
    if (text === "echo") void session.asyncRemote.sendText(text);
    else this.broadcast(text);
  }
}

export class Slow extends Base {
  override async onText(_user: User, text: string, session: Session): Promise<void> {
    await scheduler.wait(Number(text));
    await session.asyncRemote.sendText(text);
  }
}

let instances = 0;

export class Wake extends Base {
  readonly #instance = ++instances;

  override onText(_user: User, _text: string, session: Session): void {
    void session.asyncRemote.sendText(`${session.id} ${this.#instance}`);
  }
}

addEndpoints(container, {
  "/bench/echo/{room}": Echo,
  "/bench/room/{room}": Room,
  "/bench/crowd/{room}": Crowd,
  "/bench/slow/{room}": Slow,
  "/bench/wake/{room}": Wake,
});

export default container;
