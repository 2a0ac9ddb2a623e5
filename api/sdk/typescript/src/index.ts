export { type Account, accountOfWallet, type TypedDataToSign, type Wallet } from "./account.js";
export type { Channel } from "./channel.js";
export type { ChannelRecord } from "./channel_record.js";
export type { ChannelState, ChannelStatus, Figures, Payment } from "./channel_state.js";
export type { WebSocketClass, WebSocketLike } from "./connection.js";
export { type Deposit, erc3009Nonce, kPermit2, signDeposit, type TransferMethod } from "./deposit.js";
export {
  BalanceExceeded,
  ConnectionClosed,
  MillraceError,
  type Reason,
  ServerMismatch,
  SpendingCapExceeded,
  TimedOut,
} from "./errors.js";
export { Log, type LogSource, type ProvenUpdate } from "./log/log.js";
export { isConsistent, isIncluded, leafHash } from "./log/merkle.js";
export { openHead, openNote, parseKey, type NoteKey, type TreeHead } from "./log/note.js";
export { Millrace, type MillraceOptions, type OpenOptions, type ResumeOptions } from "./millrace.js";
export type {
  ChargeOptions,
  Claim,
  Job,
  JobHandler,
  Listening,
  ListenOptions,
  Provider,
} from "./provider.js";
export type { Authorization, AuthorizeRequest, Inference, PayRequest, TopUpPolicy } from "./inference.js";
export type { ProofStatus } from "./proofs.js";
export type { Hex } from "./reading.js";
export type { Refund } from "./refunds.js";
export type { Network, ServerInfo, Token } from "./server_info.js";
export type { SpendingCap } from "./spending.js";
export { BrowserStorage, MemoryStorage, type Storage, type WebStorage } from "./storage.js";
export {
  type ChannelConfig,
  channelIdOf,
  type Escrow,
  hashOf,
  isVoucherOf,
  kEscrow,
  signVoucher,
  type Voucher,
  voucherData,
} from "./typed_data.js";
export type { Patience } from "./waiting.js";
export {
  type ChainReader,
  type EscrowedChannel,
  type EscrowedMoney,
  finalizeWithdraw,
  initiateWithdraw,
  type PendingWithdrawal,
  readEscrow,
  readWithdrawal,
} from "./withdraw.js";
export type { PaidStream } from "./x402/paid_stream.js";
export type { Settlement } from "./x402/resource_channel.js";
export {
  type PaidRequestOptions,
  type PayableToken,
  ResourcePayer,
  type ResourcePayerOptions,
} from "./x402/resource_payer.js";
export type { ServerSentEvent } from "./x402/sse.js";
