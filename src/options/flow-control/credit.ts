// How much a client has not acknowledged. This state hibernates with the session, and its size doesn't depend on the
// client.
import { OVERHEAD, ProtocolError } from "../../wire/frame.ts";

/**
 * `[acknowledged, sent, last, size, last, size, …]`: how many messages the client has acknowledged, how many were sent
 * to it, and for each stretch of those in between the number of its last message and its total size. A stretch is an
 * eighth of the window: keeping the size of each message would be too much, and the client acknowledges all in the end.
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

  /** Whether a message of this many bytes may be sent. A message larger than the window may be sent alone. */
  has(bytes: number): boolean {
    return this.#untaken === 0 || this.#untaken + bytes + OVERHEAD <= this.#window;
  }

  /** Counts a message that is sent. */
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
   * The client has acknowledged all messages up to this number.
   *
   * @throws {@link ProtocolError} if it can't have taken them, or has acknowledged them before
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
