// Opens a session in a shard of its path: chooses one, and another if that is full.
import type { WorkerContext } from "../api/handshake-decision.ts";
import type { Handshake } from "../hibernation/facts.ts";
import { chosenShard } from "../options/shards.ts";
import { hintOf, tell, unavailable, type Place } from "./handshake.ts";
import { stubAt, type Home, type Location } from "./namespace.ts";
import { shardName } from "./object-name.ts";
import { ask } from "./retry.ts";
import { guessAt, random } from "./shard-guess.ts";

/** How many full shards a session meets at most: all of eight, and three more than are needed to reach sixty-four. */
const MOST_TRIES = 10;

/** The handshake that is to open a session, under `shards`. */
export interface Entry {
  readonly request: Request;
  readonly handshake: Handshake;
  /** The endpoint and its namespace. */
  readonly route: Home;
  /** The location of the root. */
  readonly location: Location;
  readonly env: unknown;
  readonly ctx: Pick<WorkerContext, "waitUntil">;
  /** For the log. */
  readonly path: string;
}

/**
 * Opens a session in a shard, without a request to the root.
 *
 * @throws {@link DeploymentError} if the option `shard` returns an invalid number; what it throws
 */
export async function enterShard({ request, handshake, route, location, env, ctx, path }: Entry): Promise<Response> {
  const { config, className } = route;
  const { max, sessions } = config.shards!;
  const enter = (shard: number, place: Place) => {
    const name = shardName(location.name, shard);
    return ask(() => stubAt(env, route, { ...location, name }), tell(request, handshake, place), ctx, path);
  };
  const chosen = chosenShard(config, request, handshake.pathParameters);
  if (chosen !== undefined) {
    const response = await enter(chosen, { guess: 1, sessions });
    return hintOf(response) === undefined ? response : unavailable();
  }
  const guess = guessAt(`${config.binding ?? className} ${config.path} ${location.name}`);
  let from = 0;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const count = Math.min(guess.count, max);
    const shard = guess.choose(max, from);
    if (shard === undefined) break;
    const response = await enter(shard, { guess: count, sessions });
    const hint = hintOf(response);
    if (hint === undefined) return response;
    guess.full(shard, count, hint, max);
    // The new shards are tried first.
    from = count < max ? count : 0;
  }
  // All shards are full, and share further sessions.
  return enter(random(max), { guess: max });
}
