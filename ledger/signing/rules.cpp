#include "ledger/signing/rules.hpp"

#include "channel/eip712.hpp"
#include "channel/hex.hpp"
#include "channel/payer_signature.hpp"
#include "channel/voucher.hpp"
#include "ledger/chain/anchor.hpp"
#include "ledger/chain/fees.hpp"
#include "ledger/settlement/claim_plan.hpp"

#include <set>

namespace millrace::ledger::signing {
namespace {

const NetworkRules* find(const SigningRules& rules, channel::Network network) {
    const auto found = rules.networks.find(network);
    return found == rules.networks.end() ? nullptr : &found->second;
}

Objection object_to_escrow(const SigningRules& rules, const chain::EscrowContract& escrow) {
    const auto* network = find(rules, escrow.network);
    if (!network) return channel::to_string(escrow.network) + " is not configured";
    if (network->contract != escrow.address)
        return channel::to_hex(escrow.address) + " is not the escrow contract of " +
               channel::to_string(escrow.network);
    return std::nullopt;
}

Objection object_to_terms(const SigningRules& rules, const channel::Address& authorizer,
                          const chain::EscrowContract& escrow,
                          const channel::ChannelConfig& config) {
    if (config.receiver_authorizer != authorizer)
        return "its receiver authorizer " + channel::to_hex(config.receiver_authorizer) +
               " is another";
    if (!find(rules, escrow.network)->value_per_hour_max.contains(config.token))
        return "its token " + channel::to_hex(config.token) + " is not configured";
    return std::nullopt;
}

bool is_signed_by_payer(const SigningRules& rules, const channel::Digest& separator,
                        const channel::ChannelId& id, const chain::VoucherClaim& row) {
    if (row.config.payer_authorizer.is_zero() && rules.contract_payers == ContractPayers::believed)
        return true;
    return channel::is_signed_by_payer(row.config, separator, id, row.max_claimable, row.signature);
}

Objection object_to_row(const SigningRules& rules, const channel::Address& authorizer,
                        const chain::EscrowContract& escrow, const channel::Digest& separator,
                        const channel::ChannelId& id, const chain::VoucherClaim& row) {
    if (auto objection = object_to_terms(rules, authorizer, escrow, row.config)) return objection;
    if (row.total_claimed > row.max_claimable) return "it claims more than its voucher allows";
    if (is_signed_by_payer(rules, separator, id, row)) return std::nullopt;
    if (row.config.payer_authorizer.is_zero())
        return "its voucher is not the payer's, unless a contract says so, which is not believed "
               "(signer.contract_payers)";
    return "its voucher is not the payer's";
}

}  // namespace

Objection object_to_claims(const SigningRules& rules, const channel::Address& authorizer,
                           const chain::EscrowContract& escrow,
                           std::span<const chain::VoucherClaim> rows) {
    if (auto objection = object_to_escrow(rules, escrow)) return objection;
    if (rows.empty()) return "a claim without rows";
    if (rows.size() > kClaimRowsMax)
        return "a claim of more than " + std::to_string(kClaimRowsMax) + " rows";
    const auto separator = chain::domain_separator(escrow);
    std::set<channel::ChannelId> seen;
    for (const auto& row : rows) {
        const auto id = channel::channel_id(separator, row.config);
        auto objection = object_to_row(rules, authorizer, escrow, separator, id, row);
        if (!objection && !seen.insert(id).second) objection = "it is in the claim twice";
        if (objection) return "channel " + channel::to_hex(id) + ": " + *objection;
    }
    return std::nullopt;
}

Objection object_to_refund(const SigningRules& rules, const channel::Address& authorizer,
                           const chain::EscrowContract& escrow,
                           const channel::ChannelConfig& config) {
    if (auto objection = object_to_escrow(rules, escrow)) return objection;
    const auto objection = object_to_terms(rules, authorizer, escrow, config);
    if (!objection) return std::nullopt;
    const auto id = channel::channel_id(chain::domain_separator(escrow), config);
    return "channel " + channel::to_hex(id) + ": " + *objection;
}

Objection object_to_transaction(const SigningRules& rules, const channel::Address& relayer,
                                const chain::Transaction& transaction) {
    const channel::Network id{transaction.chain_id};
    const auto* network = find(rules, id);
    if (!network) return channel::to_string(id) + " is not configured";
    if (!transaction.to) return "it creates a contract";
    if (!transaction.value.is_zero()) return "it sends coins";
    if (!transaction.access_list.empty()) return "it has an access list";
    const bool fills_a_gap = *transaction.to == relayer && transaction.data.empty();
    if (!fills_a_gap && *transaction.to != network->contract)
        return channel::to_hex(*transaction.to) + " is not the escrow contract of " +
               channel::to_string(id);
    const auto call = chain::without_anchor(transaction.data);
    if (!fills_a_gap && !chain::is_relayed_call(call) && !chain::direct_claim_rows(call))
        return "it calls what this service never calls";
    if (transaction.gas_limit > chain::kGasLimitMax)
        return "its gas limit is above " + std::to_string(chain::kGasLimitMax);
    if (transaction.max_fee > network->max_fee_per_gas)
        return "its fee is above max_fee_per_gas of " + channel::to_string(id);
    if (transaction.priority_fee > transaction.max_fee) return "its fees contradict each other";
    return std::nullopt;
}

}  // namespace millrace::ledger::signing
