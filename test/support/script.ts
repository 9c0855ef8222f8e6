// Scripts for the callbacks of a model's sessions: each message of a client is the script of the callback that gets it.

/** A payload is a text, one that sends itself once its gate opens (and may fail then), or an invalid value. */
export type PayloadKind = "text" | "slow" | "failing" | "bad";

export type Step =
  | { do: "tick" | "count" | "list" | "replace" | "spoil" | "throw" | "hold" | "finish" }
  | { do: "put" | "offer" | "tuple" | "remote"; payload: PayloadKind }
  | { do: "close"; code: number; phrase: string }
  | { do: "touch"; other: string };

/** A step with an id, which its gate, its message and its results share. */
export type Act = Step & { id: string };

export interface Script {
  id: string;
  acts: Act[];
}

/** The script of `onOpen`, and the behaviour of `onClose`. */
export interface Opening extends Script {
  name: string;
  failsInClose: boolean;
  /** Whether the client speaks `socle.v1`. */
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

/** How an error is shown in the log. */
export const named = ({ name, message }: Error): string => (name === "Error" ? message : name);
