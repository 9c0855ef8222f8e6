// A session of a shard that is about to be subscribed to a topic.
import type { Subscription } from "../api/topics.ts";
import type { Subject } from "../session/subject.ts";
import type { Range } from "../topics/outlet.ts";

export interface Subscriber {
  readonly session: Subject;
  readonly since: string | undefined;
  readonly last: number;
  readonly range: Range;
  /** The number of the question with the shard's last earlier publication, which has to be answered first. */
  readonly behind: number;
  /** It was already subscribed, or has left before it had its place: nothing changes. */
  isOver: boolean;
  /** The root was asked since: a position that the root had not sent by then doesn't exist. */
  isChecked: boolean;
  /** Its place is after this many deliveries, if the topic has no history. */
  sent: number;
  readonly resolve: (subscription: Subscription) => void;
  readonly reject: (error: unknown) => void;
}
