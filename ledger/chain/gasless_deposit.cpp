#include "ledger/chain/gasless_deposit.hpp"

#include "channel/hex.hpp"
#include "channel/receive_authorization.hpp"
#include "channel/secp256k1.hpp"
#include "channel/uint256.hpp"
#include "ledger/chain/escrow_calls.hpp"

namespace millrace::ledger::chain {
namespace {

using channel::Error;

bool is_signed_by(const channel::Address& payer, const DepositTerms& terms,
                  const channel::ChannelId& id, const GaslessDeposit& deposit) {
    const auto signature = channel::parse_signature(deposit.signature);
    if (!signature) return false;
    const channel::ReceiveAuthorization authorization{
        .from = payer,
        .to = terms.collector,
        .value = deposit.amount,
        .valid_after = deposit.valid_after,
        .valid_before = deposit.valid_before,
        .nonce = channel::deposit_nonce(id, deposit.salt),
    };
    const auto signer =
        channel::recover(channel::digest(terms.token_separator, authorization), *signature);
    return signer && channel::address_of(*signer) == payer;
}

}  // namespace

std::optional<channel::Refusal> refuse_deposit(const DepositTerms& terms,
                                               const channel::ChannelId& id,
                                               const channel::Address& payer,
                                               const GaslessDeposit& deposit, std::uint64_t now) {
    if (deposit.amount < terms.amount_min) {
        return channel::Refusal{Error::deposit_below_min_deposit, terms.amount_min};
    }
    if (deposit.valid_after >= channel::word_from(now)) {
        return channel::Refusal{Error::payload_authorization_valid_after, channel::Amount{now}};
    }
    const auto still_valid_at = now + kDepositValiditySecondsMin;
    if (deposit.valid_before <= channel::word_from(still_valid_at)) {
        return channel::Refusal{Error::payload_authorization_valid_before,
                                channel::Amount{still_valid_at}};
    }
    if (!is_signed_by(payer, terms, id, deposit)) {
        return Error::receive_authorization_signature;
    }
    return std::nullopt;
}

std::string deposit_reference(const channel::ChannelId& id, const GaslessDeposit& deposit) {
    return channel::to_hex(id) + ":" + channel::to_hex(channel::deposit_nonce(id, deposit.salt));
}

channel::Bytes deposit_call(const channel::ChannelConfig& config, const channel::Address& collector,
                            const GaslessDeposit& deposit) {
    return deposit_call(config, deposit.amount, collector,
                        erc3009_collector_data(deposit.valid_after, deposit.valid_before,
                                               deposit.salt, deposit.signature));
}

}  // namespace millrace::ledger::chain
