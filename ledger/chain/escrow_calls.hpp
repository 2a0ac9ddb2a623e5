#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/config.hpp"
#include "channel/result.hpp"
#include "channel/voucher.hpp"
#include "channel/voucher_signature.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace millrace::ledger::chain {

/// One row of a claim: raises the channel's claimed total to `total_claimed` on the strength of
/// the payer's signature over `max_claimable` (x402-batch-settlement, VoucherClaim).
struct VoucherClaim {
    channel::ChannelConfig config;
    channel::Amount max_claimable;
    channel::VoucherSignature signature;
    channel::Amount total_claimed;
};

/// Calldata of the escrow contract's functions (x402-batch-settlement, Contract behaviour).
channel::Bytes deposit_call(const channel::ChannelConfig& config, channel::Amount amount,
                            const channel::Address& collector, channel::BytesView collector_data);
channel::Bytes claim_call(std::span<const VoucherClaim> rows);
/// Signed by a key, or by a contract in its own way (ERC-1271).
channel::Bytes claim_with_signature_call(std::span<const VoucherClaim> rows,
                                         const channel::VoucherSignature& authorizer_signature);
channel::Bytes settle_call(const channel::Address& receiver, const channel::Address& token);
channel::Bytes refund_with_signature_call(const channel::ChannelConfig& config,
                                          channel::Amount amount, const channel::Word& nonce,
                                          const channel::VoucherSignature& authorizer_signature);
channel::Bytes initiate_withdraw_call(const channel::ChannelConfig& config, channel::Amount amount);
channel::Bytes finalize_withdraw_call(const channel::ChannelConfig& config);
channel::Bytes multicall_call(std::vector<channel::Bytes> calls);
channel::Bytes channels_call(const channel::ChannelId& id);
/// All of them in one call: `multicall` of views.
channel::Bytes many_channels_call(std::span<const channel::ChannelId> ids);
channel::Bytes pending_withdrawals_call(const channel::ChannelId& id);
channel::Bytes refund_nonce_call(const channel::ChannelId& id);
channel::Bytes receivers_call(const channel::Address& receiver, const channel::Address& token);
channel::Bytes channel_id_call(const channel::ChannelConfig& config);

/// Whether this is calldata that the relayer sends for others: deposit, claimWithSignature, settle,
/// refundWithSignature, or a multicall of these encoded as by `multicall_call`. What needs a right
/// of the sender (claim, refund, withdrawals) is not.
bool is_relayed_call(channel::BytesView data);

/// The rows that this calldata claims by the right of its sender: `claim`, or a multicall of one
/// `claim` and then calls of the kind above, encoded as by `claim_call` and `multicall_call`.
/// Nullopt for anything else.
std::optional<std::vector<VoucherClaim>> direct_claim_rows(channel::BytesView data);

/// abi.encode(validAfter, validBefore, salt, signature) for the ERC-3009 collector.
channel::Bytes erc3009_collector_data(const channel::Word& valid_after,
                                      const channel::Word& valid_before, const channel::Word& salt,
                                      channel::BytesView signature);

/// abi.encode(nonce, deadline, signature, eip2612Data) for the Permit2 collector, without a permit.
channel::Bytes permit2_collector_data(const channel::Word& nonce, const channel::Word& deadline,
                                      channel::BytesView signature);

/// ERC-20 `balanceOf` and `allowance`.
channel::Bytes balance_of_call(const channel::Address& holder);
channel::Bytes allowance_call(const channel::Address& holder, const channel::Address& spender);

/// Two figures that a view of the contract gives.
struct ChannelTotals {
    channel::Amount balance;
    channel::Amount total_claimed;
};
struct PendingWithdrawal {
    channel::Amount amount;
    /// Unix seconds; 0: none is pending.
    std::uint64_t initiated_at = 0;
};
struct ReceiverTotals {
    channel::Amount total_claimed;
    channel::Amount total_settled;
};
/// What views answer; `rpc_read_failed` for bytes that are no such answer.
channel::Result<ChannelTotals> decode_channels(channel::BytesView answer);
/// What `multicall` of `channels` for so many ids answers.
channel::Result<std::vector<ChannelTotals>> decode_many_channels(channel::BytesView answer,
                                                                 std::size_t count);
channel::Result<PendingWithdrawal> decode_pending_withdrawals(channel::BytesView answer);
channel::Result<std::uint64_t> decode_refund_nonce(channel::BytesView answer);
channel::Result<ReceiverTotals> decode_receivers(channel::BytesView answer);
channel::Result<channel::Word> decode_word(channel::BytesView answer);

}  // namespace millrace::ledger::chain
