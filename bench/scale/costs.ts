// Costs, in microseconds of processor time unless noted: measured on one core of a shared machine (Intel Xeon).
import type { Delay } from "./random.ts";

// Calls between objects, measured with a prototype of root and shards.

/** A call that does nothing. Half of it is the caller's. */
export const CALL = 75;

/** The part of a call from the root to a shard for each publication in it (13 to 20). With one publication the call costs 170. */
export const PUBLICATION_AND_SHARD = 16.5;
export const DELIVERY_CALL = 170 - PUBLICATION_AND_SHARD;

// A history: docs/performance.md, "Topics".

/** Storing a publication of 200 bytes together with others of its turn: 2 to 3. */
export const KEPT = 3;

/** The turn that writes: a single publication with a history costs 281, which includes 30 of an echo and 21 of a delivery. */
export const WRITE = 220;

/** A publication is sent when it is stored: after 0.3 to 1.2 ms, at p99 4 to 10. */
export const OUTPUT_GATE: Delay = { median: 600, p99: 7000 };

// Deliveries.

/** A message to one socket, including the runtime's work. */
export const DELIVERY = 21;

/** Each further message of the same frame of socle.v1: bursts of 100 cost 0.476 for each of them. */
export const FURTHER_IN_FRAME = 0.27;

/** The sends of one slice. Other events run between slices. */
export const SLICE = 250;

/** A broadcast of PartyServer, as a ratio to the floor's. */
export const PARTYSERVER_DELIVERY = 1.16 * DELIVERY;

/** Looking at a connection's state, as partysub does for each publication: 19 ms for 9,800 attachments. */
export const LOOK = 2;

/** An incoming message with a trivial answer. */
export const MESSAGE = 30;

// Clients that reconnect.

/** Opening a connection, including the Worker's part. */
export const OPENING = 267;
export const PARTYSERVER_OPENING = 416;

/** Replaying one publication. */
export const REPLAYED = 8.09;

// Assumptions, which can't be measured here.

/** From one machine of the platform to another nearby, one way. */
export const HOP: Delay = { median: 1000, p99: 5000 };

/** The most publications that go together in one call. */
export const MOST_TOGETHER = 1000;

/** The requests that an object takes a second: the platform's soft limit. */
export const REQUESTS_A_SECOND = 1000;

/** A request that would wait longer is refused, and its client retries. */
export const PATIENCE = 5e6;
