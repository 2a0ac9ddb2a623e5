/** Everything that this package throws on purpose is a MillraceError; branch on `reason`. */

/** What the service answers with, and what the client says by itself. Further strings may come. */
export type Reason =
  | "unauthenticated"
  | "forbidden"
  | "channel_unknown"
  | "channel_not_open"
  | "channel_closing"
  | "amount_exceeds_reservation"
  | "reservation_unknown"
  | "idempotency_conflict"
  | "insufficient_voucher"
  | "too_many_in_flight"
  | "rate_limited"
  | "overloaded"
  | "unavailable"
  | "invalid_params"
  | "contract_payer_refused"
  | "server_mismatch"
  | "spending_cap_exceeded"
  | "balance_exceeded"
  | "timeout"
  | "connection_closed"
  | "payment_refused"
  | "request_failed"
  | "refund_failed"
  | "claim_failed"
  | `invalid_batch_settlement_evm_${string}`
  | (string & {});

export interface ErrorDetails {
  field?: string | undefined;
  limit?: string | undefined;
  cause?: unknown;
}

export class MillraceError extends Error {
  readonly reason: Reason;
  /** The member, argument or figure at fault. */
  readonly field: string | undefined;
  /** The bound that was broken. */
  readonly limit: string | undefined;

  constructor(reason: Reason, message: string, { field, limit, cause }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.reason = reason;
    this.field = field;
    this.limit = limit;
  }
}

/**
 * The service said something that this client knows to be otherwise, or that contradicts itself.
 * What it is about (a channel, a resource, the whole service) is not signed for any more.
 */
export class ServerMismatch extends MillraceError {
  constructor(field: string, message: string, details: ErrorDetails = {}) {
    super("server_mismatch", message, { ...details, field });
  }
}

/** A cap of the caller's own. Nothing was signed. `field` is the cap, `limit` its amount. */
export class SpendingCapExceeded extends MillraceError {
  constructor(field: string, limit: bigint, message: string) {
    super("spending_cap_exceeded", message, { field, limit: String(limit) });
  }
}

/** The channel does not hold enough, and may not be topped up by itself. Nothing was signed. */
export class BalanceExceeded extends MillraceError {
  constructor(available: bigint, message: string) {
    super("balance_exceeded", message, { field: "balance", limit: String(available) });
  }
}

/** No answer in time. What was sent may still happen: ask again with the same inference id. */
export class TimedOut extends MillraceError {
  constructor(what: string, milliseconds: number) {
    super("timeout", `${what}: no answer within ${milliseconds} ms; it may still happen`);
  }
}

/** `close` was called, or the service could not be reached at the start: the message names its URL. */
export class ConnectionClosed extends MillraceError {
  constructor(message: string, cause?: unknown) {
    super("connection_closed", message, { cause });
  }
}
