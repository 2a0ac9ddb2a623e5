#include "api/x402/payment_rules.hpp"

#include "api/x402/reasons.hpp"
#include "channel/error.hpp"
#include "channel/hex.hpp"

#include <set>

namespace millrace::api::x402 {
namespace {

using channel::Error;
using channel::Refusal;
using ledger::chain::Permit2Authorization;

constexpr std::string_view kPermit2Method = "permit2";

std::optional<Objection> object_to_terms(const channel::ChannelConfig& config,
                                         const Requirements& requirements) {
    if (config.receiver != requirements.pay_to) return objection(Error::receiver_mismatch);
    if (config.token != requirements.asset) return objection(Error::token_mismatch);
    return std::nullopt;
}

}  // namespace

Objection objection(const Refusal& refusal) {
    Objection made{channel::reason(refusal.error), std::string(channel::sentence(refusal.error))};
    if (refusal.limit) made.message += " The limit is " + channel::to_string(*refusal.limit) + ".";
    return made;
}

Objection about(const channel::ChannelId& id, Objection objection) {
    objection.message = "channel " + channel::to_hex(id) + ": " + objection.message;
    return objection;
}

std::optional<Objection> object_to_accepted(const FacilitatorRequest& request) {
    const auto& accepted = request.payment.accepted;
    const auto& required = request.requirements;
    if (accepted.scheme != kBatchSettlement || required.scheme != kBatchSettlement)
        return Objection{kScheme, "Only the scheme batch-settlement is served."};
    if (accepted.network != required.network) return objection(Error::network_mismatch);
    return std::nullopt;
}

std::optional<Objection> object_to_channel(const channel::Digest& escrow_separator,
                                           const ChannelVoucher& paid,
                                           const Requirements& requirements) {
    const auto& config = paid.config;
    if (channel::channel_id(escrow_separator, config) != paid.channel)
        return objection(Error::channel_id_mismatch);
    if (config.receiver != requirements.pay_to) return objection(Error::receiver_mismatch);
    const auto& authorizer = requirements.receiver_authorizer;
    if (!authorizer || authorizer->is_zero() || *authorizer != config.receiver_authorizer)
        return objection(Error::receiver_authorizer_mismatch);
    if (config.token != requirements.asset) return objection(Error::token_mismatch);
    const auto& delay = requirements.withdraw_delay_seconds;
    if (delay && *delay != config.withdraw_delay_seconds)
        return objection(Error::withdraw_delay_mismatch);
    const auto checked = channel::check_config(config);
    if (!checked) return objection(static_cast<Error>(checked.error().value()));
    return std::nullopt;
}

std::optional<Objection> object_to_method(const ledger::chain::GaslessDeposit& deposit,
                                          const Requirements& requirements) {
    const bool by_permit2 = std::holds_alternative<Permit2Authorization>(deposit.authorization);
    const auto& method = requirements.asset_transfer_method;
    const bool wants_permit2 = method.empty() ? by_permit2 : method == kPermit2Method;
    if (wants_permit2 && !by_permit2) return objection(Error::permit2_authorization_required);
    if (!wants_permit2 && by_permit2) return objection(Error::erc3009_authorization_required);
    if (!by_permit2 && (requirements.token_name.empty() || requirements.token_version.empty()))
        return Objection{kMissingEip712Domain,
                         "The requirements' extra has to have the token's name and version."};
    return std::nullopt;
}

std::optional<Objection> object_to_voucher(const ledger::chain::ChannelTotals& totals,
                                           channel::Amount deposit, channel::Amount max_claimable,
                                           VoucherUse use) {
    const auto sum = channel::add(totals.balance, deposit);
    const auto balance = sum ? *sum : channel::Amount::max();
    if (balance.is_zero()) return objection(Error::channel_not_found);
    if (max_claimable > balance)
        return objection(Refusal{Error::cumulative_exceeds_balance, balance});
    const bool is_below = use == VoucherUse::refund ? max_claimable < totals.total_claimed
                                                    : max_claimable <= totals.total_claimed;
    if (is_below) return objection(Refusal{Error::cumulative_below_claimed, totals.total_claimed});
    return std::nullopt;
}

std::optional<Objection> object_to_rows(const channel::Digest& escrow_separator,
                                        std::span<const ledger::chain::VoucherClaim> rows,
                                        const Requirements& requirements) {
    std::set<channel::ChannelId> seen;
    for (const auto& row : rows) {
        const auto id = channel::channel_id(escrow_separator, row.config);
        if (auto wrong = object_to_terms(row.config, requirements))
            return about(id, std::move(*wrong));
        if (row.config.receiver_authorizer != rows.front().config.receiver_authorizer)
            return about(id, {kAuthorizerAddressMismatch,
                              "All rows of a claim have to have the same receiver authorizer."});
        if (!seen.insert(id).second) return about(id, {kClaimPayload, "It is in the claim twice."});
        if (row.total_claimed > row.max_claimable)
            return about(
                id, objection(Refusal{Error::charge_exceeds_signed_cumulative, row.max_claimable}));
    }
    return std::nullopt;
}

}  // namespace millrace::api::x402
