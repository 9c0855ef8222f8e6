// Why a session ended: RFC 6455's close codes under Jakarta's names, and the code with its phrase.

/**
 * The close codes of RFC 6455 and its registry, by their names in Jakarta's `CloseReason.CloseCodes`.
 *
 * `RESERVED`, `NO_STATUS_CODE`, `CLOSED_ABNORMALLY` and `TLS_HANDSHAKE_FAILURE` only report an end and can't be sent.
 * An application's own codes are 4000–4999.
 */
export const CloseCode = {
  NORMAL_CLOSURE: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  CANNOT_ACCEPT: 1003,
  RESERVED: 1004,
  /** The client's Close frame had no code. */
  NO_STATUS_CODE: 1005,
  /** The connection went without a Close frame. */
  CLOSED_ABNORMALLY: 1006,
  NOT_CONSISTENT: 1007,
  VIOLATED_POLICY: 1008,
  TOO_BIG: 1009,
  NO_EXTENSION: 1010,
  UNEXPECTED_CONDITION: 1011,
  SERVICE_RESTART: 1012,
  TRY_AGAIN_LATER: 1013,
  BAD_GATEWAY: 1014,
  TLS_HANDSHAKE_FAILURE: 1015,
} as const;

/** A close code that may not be sent, or a reason phrase over 123 bytes of UTF-8. */
export class CloseReasonError extends RangeError {
  override readonly name = "CloseReasonError";
}

/** One of the registered close codes. */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/**
 * Why a session ended, or is to end.
 *
 * ```ts
 * session.close(new CloseReason(CloseCode.GOING_AWAY, "see you"));
 * ```
 *
 * @see Jakarta: `CloseReason`
 */
export class CloseReason {
  /** One of {@link CloseCode}, or a code of a library's (3000–3999) or the application's own (4000–4999). */
  declare readonly closeCode: number;
  /** A text for people, "" if there is none. */
  declare readonly reasonPhrase: string;

  constructor(closeCode: number, reasonPhrase = "") {
    this.closeCode = closeCode;
    // As it is sent: what is no Unicode ends the connection of a browser. What is no string is taken for its text.
    // oxlint-disable-next-line typescript/no-unnecessary-type-conversion
    this.reasonPhrase = String(reasonPhrase).toWellFormed();
  }

  /**
   * Whether a Close frame may carry the code. The platform's `close` also takes 2000–2999, which clients then
   * reject.
   */
  get sendable(): boolean {
    return /^(100[0-37-9]|101[0-4]|[34]\d{3})$/.test(String(this.closeCode));
  }

  /** Throws a {@link CloseReasonError} if no Close frame can carry the reason. */
  check(): void {
    if (!this.sendable) {
      throw new CloseReasonError(`A Close frame can't carry ${this.closeCode}: use 1000-1003, 1007-1014 or 3000-4999.`);
    }
    if (new TextEncoder().encode(this.reasonPhrase).length > 123) {
      throw new CloseReasonError("The reason phrase is over 123 bytes of UTF-8: shorten it.");
    }
  }
}

/** A reason as it is given to close many, 1000 if absent: a code, or what has the two properties, as by RPC. @throws {@link CloseReasonError} */
export function reasonFor(given: number | { closeCode: number; reasonPhrase?: string } = 1000): CloseReason {
  const { closeCode, reasonPhrase } = typeof given === "number" ? { closeCode: given } : given;
  const reason = new CloseReason(closeCode, reasonPhrase);
  reason.check();
  return reason;
}
