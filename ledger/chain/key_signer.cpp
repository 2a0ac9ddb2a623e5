#include "ledger/chain/key_signer.hpp"

#include "channel/eip712.hpp"
#include "channel/voucher.hpp"

#include <vector>

namespace millrace::ledger::chain {

channel::Digest domain_separator(const EscrowContract& escrow) {
    return channel::domain_separator(
        channel::escrow_domain(escrow.network.chain_id, escrow.address));
}

channel::Digest claims_digest(const EscrowContract& escrow, std::span<const VoucherClaim> rows) {
    const auto separator = domain_separator(escrow);
    std::vector<channel::ClaimEntry> entries;
    entries.reserve(rows.size());
    for (const auto& row : rows)
        entries.push_back(
            {channel::channel_id(separator, row.config), row.max_claimable, row.total_claimed});
    return channel::digest(separator, entries);
}

channel::Digest refund_digest(const EscrowContract& escrow, const channel::ChannelConfig& config,
                              const channel::Word& nonce, channel::Amount amount) {
    const auto separator = domain_separator(escrow);
    const channel::Refund refund{channel::channel_id(separator, config), nonce, amount};
    return channel::digest(separator, refund);
}

KeySigner::KeySigner(channel::SecretKey authorizer, channel::SecretKey relayer)
    : authorizer_(std::move(authorizer)),
      relayer_(std::move(relayer)),
      authorizer_address_(authorizer_.address()),
      relayer_address_(relayer_.address()) {}

channel::Signature KeySigner::sign_claims(const EscrowContract& escrow,
                                          std::span<const VoucherClaim> rows) {
    return authorizer_.sign(claims_digest(escrow, rows));
}

channel::Signature KeySigner::sign_refund(const EscrowContract& escrow,
                                          const channel::ChannelConfig& config,
                                          const channel::Word& nonce, channel::Amount amount) {
    return authorizer_.sign(refund_digest(escrow, config, nonce, amount));
}

channel::Signature KeySigner::sign_transaction(const Transaction& transaction) {
    return relayer_.sign(signing_hash(transaction));
}

}  // namespace millrace::ledger::chain
