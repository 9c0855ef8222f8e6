// A session of a shard that is about to be subscribed to a topic.
import type { Subscription } from "../api/topics.ts";
import type { Subject } from "../session/subject.ts";
import type { Range } from "../topics/outlet.ts";

export interface Subscriber {
  readonly session: Subject;
  readonly since: string | undefined;
  readonly last: number;
  readonly range: Range;
  /** What the shard has published before: the question with that number has to be answered. */
  readonly behind: number;
  /** It was subscribed already, or has left before it had its place: nothing changes. */
  isOver: boolean;
  /** The root was asked since: a place that is not here by what it had sent then is nowhere. */
  isChecked: boolean;
  /** Its place is behind so many deliveries, where the topic has no history. */
  sent: number;
  readonly resolve: (subscription: Subscription) => void;
  readonly reject: (error: unknown) => void;
}
