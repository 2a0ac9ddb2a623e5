#include "ledger/chain/gasless_deposit.hpp"

#include "channel/eip712.hpp"
#include "channel/hex.hpp"
#include "channel/permit_transfer.hpp"
#include "channel/receive_authorization.hpp"
#include "channel/secp256k1.hpp"
#include "channel/uint256.hpp"
#include "ledger/chain/escrow_calls.hpp"

namespace millrace::ledger::chain {
namespace {

using channel::Error;
using channel::Refusal;
using Refused = std::optional<Refusal>;

bool is_signed_by(const channel::Address& payer, const channel::Digest& digest,
                  channel::BytesView bytes) {
    const auto signature = channel::parse_signature(bytes);
    if (!signature) return false;
    const auto signer = channel::recover(digest, *signature);
    return signer && channel::address_of(*signer) == payer;
}

/// What is refused of an authorization of either kind.
struct Check {
    const DepositTerms& terms;
    const channel::ChannelId& id;
    const channel::Address& payer;
    channel::Amount amount;
    std::uint64_t now;

    std::uint64_t valid_until_min() const { return now + kDepositValiditySecondsMin; }

    Refused operator()(const Erc3009Authorization& given) const {
        if (terms.erc3009_collector.is_zero()) return Error::permit2_authorization_required;
        if (given.valid_after >= channel::word_from(now))
            return Refusal{Error::payload_authorization_valid_after, channel::Amount{now}};
        if (given.valid_before <= channel::word_from(valid_until_min()))
            return Refusal{Error::payload_authorization_valid_before,
                           channel::Amount{valid_until_min()}};
        const channel::ReceiveAuthorization authorization{
            .from = payer,
            .to = terms.erc3009_collector,
            .value = amount,
            .valid_after = given.valid_after,
            .valid_before = given.valid_before,
            .nonce = channel::deposit_nonce(id, given.salt),
        };
        const auto digest = channel::digest(terms.token_separator, authorization);
        if (!is_signed_by(payer, digest, given.signature))
            return Error::receive_authorization_signature;
        return std::nullopt;
    }

    Refused operator()(const Permit2Authorization& given) const {
        if (terms.permit2_collector.is_zero()) return Error::erc3009_authorization_required;
        if (given.spender != terms.permit2_collector) return Error::permit2_invalid_spender;
        if (given.token != terms.token) return Error::token_mismatch;
        if (given.amount != amount) return Refusal{Error::permit2_amount_mismatch, amount};
        if (given.channel_id != id) return Error::channel_id_mismatch;
        if (given.deadline < channel::word_from(valid_until_min()))
            return Refusal{Error::permit2_deadline_expired, channel::Amount{valid_until_min()}};
        const channel::PermitTransfer transfer{
            .token = given.token,
            .amount = given.amount,
            .spender = given.spender,
            .nonce = given.nonce,
            .deadline = given.deadline,
            .channel_id = given.channel_id,
        };
        const auto separator = channel::permit2_separator(terms.network.chain_id, kPermit2);
        if (given.from != payer ||
            !is_signed_by(payer, channel::digest(separator, transfer), given.signature))
            return Error::permit2_invalid_signature;
        return std::nullopt;
    }
};

}  // namespace

Refused refuse_deposit(const DepositTerms& terms, const channel::ChannelId& id,
                       const channel::Address& payer, const GaslessDeposit& deposit,
                       std::uint64_t now) {
    if (deposit.amount < terms.amount_min)
        return Refusal{Error::deposit_below_min_deposit, terms.amount_min};
    return std::visit(Check{terms, id, payer, deposit.amount, now}, deposit.authorization);
}

bool is_for_contract_to_judge(const Refusal& refusal) {
    return refusal.error == Error::receive_authorization_signature ||
           refusal.error == Error::permit2_invalid_signature;
}

std::string deposit_reference(const DepositTerms& terms, const channel::ChannelId& id,
                              const channel::Address& payer, const GaslessDeposit& deposit) {
    if (const auto* permit2 = std::get_if<Permit2Authorization>(&deposit.authorization))
        return "permit2:" + channel::to_string(terms.network) + ":" + channel::to_hex(payer) + ":" +
               channel::to_hex(permit2->nonce);
    const auto& erc3009 = std::get<Erc3009Authorization>(deposit.authorization);
    return channel::to_hex(id) + ":" + channel::to_hex(channel::deposit_nonce(id, erc3009.salt));
}

channel::Bytes deposit_call(const DepositTerms& terms, const channel::ChannelConfig& config,
                            const GaslessDeposit& deposit) {
    if (const auto* permit2 = std::get_if<Permit2Authorization>(&deposit.authorization))
        return deposit_call(
            config, deposit.amount, terms.permit2_collector,
            permit2_collector_data(permit2->nonce, permit2->deadline, permit2->signature));
    const auto& erc3009 = std::get<Erc3009Authorization>(deposit.authorization);
    return deposit_call(config, deposit.amount, terms.erc3009_collector,
                        erc3009_collector_data(erc3009.valid_after, erc3009.valid_before,
                                               erc3009.salt, erc3009.signature));
}

}  // namespace millrace::ledger::chain
