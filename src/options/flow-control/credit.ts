// How much a client has not taken yet. What is here hibernates with the session, and grows with no client.
import { OVERHEAD, ProtocolError } from "../../wire/frame.ts";

/**
 * `[acknowledged, sent, last, size, last, size, …]`: how many messages the client has acknowledged, how many were sent to it,
 * and then, for each stretch of those between, which message is its last and what they all come to. A stretch is an eighth
 * of the window: the size of each message would be too much to keep, and the client acknowledges all in the end.
 */
type Kept = number[];

export class Credit {
  readonly kept: Kept;
  readonly #window: number;
  #untaken = 0;

  constructor(window: number, kept: Kept = [0, 0]) {
    this.kept = kept;
    this.#window = window;
    for (let index = 3; index < kept.length; index += 2) this.#untaken += kept[index]!;
  }

  /** Whether a message of so many bytes may be sent. One that is larger than the window may go alone. */
  has(bytes: number): boolean {
    return this.#untaken === 0 || this.#untaken + bytes + OVERHEAD <= this.#window;
  }

  /** A message is sent. */
  use(bytes: number): void {
    const { kept } = this;
    const size = bytes + OVERHEAD;
    const last = kept.length - 1;
    this.#untaken += size;
    kept[1]!++;
    if (last > 1 && kept[last]! * 8 < this.#window) {
      kept[last]! += size;
      kept[last - 1] = kept[1]!;
    } else kept.push(kept[1]!, size);
  }

  /**
   * The client has taken all messages up to this.
   *
   * @throws {@link ProtocolError} if it can't have, or has said so before
   */
  acknowledge(count: number): void {
    const { kept } = this;
    const [acknowledged, sent] = kept as [number, number];
    if (count <= acknowledged || count > sent) {
      throw new ProtocolError(
        `The client acknowledged ${count} messages, but ${sent} were sent and ${acknowledged} acknowledged before.`,
      );
    }
    kept[0] = count;
    while (kept[2]! <= count) this.#untaken -= kept.splice(2, 2)[1]!;
  }
}
