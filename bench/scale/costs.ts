// What things cost, in microseconds of processor time where nothing else is said: measured on one core of a shared machine (Intel Xeon).
import type { Delay } from "./random.ts";

// Objects that call each other: a prototype of root and shards.

/** A call that does nothing. A half of it is its caller's. */
export const CALL = 75;

/** A call from the root to a shard with one publication costs 170, of which so much is for each publication in it (13 to 20). */
export const PUBLICATION_AND_SHARD = 16.5;
export const DELIVERY_CALL = 170 - PUBLICATION_AND_SHARD;

// A history: docs/performance.md, "Topics".

/** To keep a publication of 200 bytes beside others of its turn: 2 to 3. */
export const KEPT = 3;

/** The turn that writes: a publication that is kept alone costs 281, with an echo's 30 and a delivery's 21 in it. */
export const WRITE = 220;

/** What was published is sent when it is kept: 0.3 to 1.2 ms, at p99 4 to 10. */
export const OUTPUT_GATE: Delay = { median: 600, p99: 7000 };

// Deliveries.

/** A message to one socket, with what the runtime does for it. */
export const DELIVERY = 21;

/** Each further message of the same frame of socle.v1: bursts of 100 cost 0.476 for each of them. */
export const FURTHER_IN_FRAME = 0.27;

/** So many sends go in one slice, between which other events run. */
export const SLICE = 250;

/** A broadcast of PartyServer, to that of the floor. */
export const PARTYSERVER_DELIVERY = 1.16 * DELIVERY;

/** To look at a connection's state as partysub does for each publication: 19 ms for 9,800 attachments. */
export const LOOK = 2;

/** A message that comes in and is answered with nothing to speak of. */
export const MESSAGE = 30;

// Clients that come back.

/** A connection is opened, the Worker's part in it. */
export const OPENING = 267;
export const PARTYSERVER_OPENING = 416;

/** A publication that is replayed. */
export const REPLAYED = 8.09;

// What is assumed, because nobody can measure it here.

/** From one machine of the platform to another one near by, one way. */
export const HOP: Delay = { median: 1000, p99: 5000 };

/** So many publications wait and go together at most. */
export const MOST_TOGETHER = 1000;

/** An object takes so many requests a second: the platform's soft limit. */
export const REQUESTS_A_SECOND = 1000;

/** A request that would wait longer is refused, and its client tries again. */
export const PATIENCE = 5e6;
