/** What a payer asks for, and gets. */
import type { Payment } from "./channel_state.js";
import type { Hex } from "./reading.js";
import type { Patience } from "./waiting.js";

/** What the work is, as the provider and the ledger see it. */
export interface Inference extends Patience {
  model: string;
  /** The idempotency key within the channel; a random one by default. */
  id?: string;
  app?: string;
  /** How much of the model is asked for, in whatever the price is in. */
  units?: string | number;
  /** 32 bytes that stand for the request. */
  requestHash?: Hex;
}
export interface PayRequest extends Inference {
  amount: bigint;
}
export interface AuthorizeRequest extends Inference {
  maxAmount: bigint;
}

/** A reservation. */
export interface Authorization extends Payment {
  /** What was charged for it in the end; 0 when it was released. */
  settled: Promise<bigint>;
}

/** Tops the channel up when it does not hold enough, by so much at a time, under the cap of deposits. */
export interface TopUpPolicy {
  amount: bigint;
}
