// What the callbacks of a model's sessions do: a client's message is the script of the callback that gets it.

/** How a payload behaves: a text, one that sends itself once its gate opens (well or not), or what is no payload. */
export type PayloadKind = "text" | "slow" | "failing" | "bad";

export type Step =
  | { do: "tick" | "count" | "list" | "replace" | "spoil" | "throw" | "hold" | "finish" }
  | { do: "put" | "offer" | "tuple" | "remote"; payload: PayloadKind }
  | { do: "close"; code: number; phrase: string }
  | { do: "touch"; other: string };

/** A step with the name that its gate, its message and its results go by. */
export type Act = Step & { id: string };

export interface Script {
  id: string;
  acts: Act[];
}

/** What the session's `onOpen` and `onClose` do. */
export interface Opening extends Script {
  name: string;
  failsInClose: boolean;
  /** Its client speaks `socle.v1`. */
  isFlowControlled: boolean;
}

/** The endpoint of one sequence. */
export interface Variant {
  hibernates: boolean;
  hasOnError: boolean;
  tracks: boolean;
  isLarge: boolean;
  flowControl: { window: number; maxBufferedAmount: number };
  buffer: { kind: "fixed" | "dropping" | "sliding"; size: number };
}

/** What the log shows of an error. */
export const named = ({ name, message }: Error): string => (name === "Error" ? message : name);
