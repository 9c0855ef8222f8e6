// Why a session ended: the close codes of RFC 6455 under Jakarta's names, and a code with its phrase.

/**
 * The close codes of RFC 6455 and its registry, by their names in Jakarta's `CloseReason.CloseCodes`.
 *
 * `RESERVED`, `NO_STATUS_CODE`, `CLOSED_ABNORMALLY` and `TLS_HANDSHAKE_FAILURE` only describe how a connection ended;
 * you can't send them. An application's own codes are 4000–4999.
 *
 * ```ts
 * session.close(CloseCode.GOING_AWAY);
 * ```
 */
export const CloseCode = {
  NORMAL_CLOSURE: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  CANNOT_ACCEPT: 1003,
  RESERVED: 1004,
  /** The client's Close frame had no code. */
  NO_STATUS_CODE: 1005,
  /** The connection ended without a Close frame. */
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

/** The close code may not be sent, or the reason phrase is over 123 bytes of UTF-8. */
export class CloseReasonError extends RangeError {
  override readonly name = "CloseReasonError";
}

/** One of the registered close codes. */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/**
 * Why a session ended, or why to end it.
 *
 * ```ts
 * session.close(new CloseReason(CloseCode.GOING_AWAY, "see you"));
 * ```
 *
 * @see Jakarta: `CloseReason`
 */
export class CloseReason {
  /** One of {@link CloseCode}, a code of a library (3000–3999), or an application's own code (4000–4999). */
  declare readonly closeCode: number;
  /** A text for people; "" if there is none. */
  declare readonly reasonPhrase: string;

  constructor(closeCode: number, reasonPhrase = "") {
    this.closeCode = closeCode;
    // A browser ends the connection if the phrase is not well-formed Unicode. A value that is not a string becomes its
    // text.
    // oxlint-disable-next-line typescript/no-unnecessary-type-conversion
    this.reasonPhrase = String(reasonPhrase).toWellFormed();
  }

  /**
   * Whether a Close frame may carry the code. The platform's `close` also accepts 2000–2999, which clients then reject.
   */
  get sendable(): boolean {
    return /^(100[0-37-9]|101[0-4]|[34]\d{3})$/.test(String(this.closeCode));
  }

  /**
   * Checks that a Close frame can carry the reason.
   *
   * @throws {@link CloseReasonError} if it can't
   */
  check(): void {
    if (!this.sendable) {
      throw new CloseReasonError(`A Close frame can't carry ${this.closeCode}: use 1000-1003, 1007-1014 or 3000-4999.`);
    }
    if (new TextEncoder().encode(this.reasonPhrase).length > 123) {
      throw new CloseReasonError("The reason phrase is over 123 bytes of UTF-8: shorten it.");
    }
  }
}

/**
 * The reason with which to close many sessions: a code, or an object with the two properties, as it arrives by RPC.
 * 1000 if absent.
 *
 * @throws {@link CloseReasonError}
 */
export function reasonFor(given: number | { closeCode: number; reasonPhrase?: string } = 1000): CloseReason {
  const { closeCode, reasonPhrase } = typeof given === "number" ? { closeCode: given } : given;
  const reason = new CloseReason(closeCode, reasonPhrase);
  reason.check();
  return reason;
}
