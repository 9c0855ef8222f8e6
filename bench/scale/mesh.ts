// Simulates partysub 2.1.0: the node that gets the publish request delivers to its own listeners, and calls each other node, once and for each
// publication separately.
import { Agenda } from "./agenda.ts";
import { CALL, HOP, LOOK, PARTYSERVER_DELIVERY } from "./costs.ts";
import { Random } from "./random.ts";
import { runOf, type Run } from "./run.ts";
import { Thread } from "./thread.ts";

export interface MeshShape {
  readonly listeners: number;
  /** The number of nodes in its configuration, over all locations. */
  readonly nodes: number;
}

class Node {
  readonly kind = "node";
  readonly thread = new Thread();
  awake = 0;
  calls = 0;
  #pending = 0;
  #since = 0;

  constructor(readonly listeners: number) {}

  get busy(): number {
    return this.thread.busy;
  }

  begin(now: number): void {
    if (this.#pending++ === 0) this.#since = now;
  }

  end(now: number): void {
    if (--this.#pending === 0) this.awake += now - this.#since;
  }
}

export class Mesh {
  readonly #agenda = new Agenda();
  readonly #random: Random;
  readonly #nodes: readonly Node[];
  readonly #delivered: number[] = [];

  constructor({ listeners, nodes }: MeshShape, seed: number) {
    this.#random = new Random(seed);
    const share = listeners / nodes;
    const some = () => Math.max(0, Math.round(share + (nodes > 1 ? Math.sqrt(share) * this.#random.normal() : 0)));
    this.#nodes = Array.from({ length: nodes }, () => new Node(some()));
  }

  run(times: readonly number[]): Run {
    for (const [publication, at] of times.entries()) {
      this.#delivered.push(at);
      // A publish request goes to a random node, as a client's connection does.
      const node = this.#nodes[this.#random.below(this.#nodes.length)]!;
      this.#agenda.put(at + this.#random.delay(HOP), () => this.#publish(node, publication));
    }
    this.#agenda.run();
    return runOf(times, this.#delivered, this.#nodes);
  }

  #publish(node: Node, publication: number): void {
    this.#deliver(node, publication);
    for (const other of this.#nodes) {
      if (other === node) continue;
      node.calls++;
      node.begin(this.#agenda.now);
      const sent = node.thread.run(this.#agenda.now, CALL / 2);
      this.#agenda.put(sent + this.#random.delay(HOP), () => {
        const done = this.#deliver(other, publication);
        this.#agenda.put(done + this.#random.delay(HOP), () => node.end(this.#agenda.now));
      });
    }
  }

  #deliver(node: Node, publication: number): number {
    const { now } = this.#agenda;
    node.begin(now);
    const done = node.thread.run(now, CALL / 2 + node.listeners * (PARTYSERVER_DELIVERY + LOOK));
    this.#agenda.put(done, () => node.end(this.#agenda.now));
    this.#delivered[publication] = Math.max(this.#delivered[publication]!, done);
    return done;
  }
}
