#include "ledger/signing/guarded_signer.hpp"

#include "channel/config.hpp"
#include "channel/hex.hpp"
#include "ledger/chain/anchor.hpp"
#include "ledger/chain/fees.hpp"

#include <chrono>
#include <map>

namespace millrace::ledger::signing {

using channel::Amount;

GuardedSigner::GuardedSigner(chain::Signer& keys, SigningRules rules, SignedRecord record,
                             Keep keep, Clock clock)
    : keys_(keys),
      rules_(std::move(rules)),
      keep_(std::move(keep)),
      clock_(std::move(clock)),
      record_(std::move(record)) {}

chain::SignerHealth GuardedSigner::health() const {
    const std::lock_guard lock(mutex_);
    return {true, refusals_};
}

channel::Signature GuardedSigner::sign_claims(const chain::EscrowContract& escrow,
                                              std::span<const chain::VoucherClaim> rows) {
    const std::lock_guard lock(mutex_);
    const auto now = clock_();
    check_rate(now);
    SignedEntry entry{now, {}};
    admit_claims(escrow, rows, entry);
    keep(std::move(entry));
    return keys_.sign_claims(escrow, rows);
}

void GuardedSigner::admit_claims(const chain::EscrowContract& escrow,
                                 std::span<const chain::VoucherClaim> rows, SignedEntry& entry) {
    if (const auto objection = object_to_claims(rules_, authorizer(), escrow, rows))
        refuse(*objection);
    const auto separator = chain::domain_separator(escrow);
    std::map<channel::Address, Amount> raised;
    for (const auto& row : rows) {
        const auto id = channel::channel_id(separator, row.config);
        const auto before = record_.total_of(id);
        const auto more = channel::subtract(row.total_claimed, before);
        if (!more)
            refuse("channel " + channel::to_hex(id) + ": a claimed total of " +
                   channel::to_string(before) + " was signed before, " +
                   channel::to_string(row.total_claimed) + " is lower");
        if (more->is_zero()) continue;
        const auto sum = channel::add(raised[row.config.token], *more);
        raised[row.config.token] = sum ? *sum : Amount::max();
        entry.items.emplace_back(SignedTotal{id, row.total_claimed});
    }
    for (const auto& [token, more] : raised) {
        check_value(escrow.network, token, more, entry.at);
        entry.items.emplace_back(SignedValue{escrow.network, token, more});
    }
}

channel::Signature GuardedSigner::sign_refund(const chain::EscrowContract& escrow,
                                              const channel::ChannelConfig& config,
                                              const channel::Word& nonce, Amount amount) {
    const std::lock_guard lock(mutex_);
    const auto now = clock_();
    check_rate(now);
    if (const auto objection = object_to_refund(rules_, authorizer(), escrow, config))
        refuse(*objection);

    const SignedRefund refund{channel::channel_id(chain::domain_separator(escrow), config), nonce,
                              amount};
    SignedEntry entry{now, {}};
    if (!record_.has_refund(refund)) {
        check_value(escrow.network, config.token, amount, now);
        entry.items.emplace_back(refund);
        entry.items.emplace_back(SignedValue{escrow.network, config.token, amount});
    }
    keep(std::move(entry));
    return keys_.sign_refund(escrow, config, nonce, amount);
}

channel::Signature GuardedSigner::sign_transaction(const chain::Transaction& transaction) {
    const std::lock_guard lock(mutex_);
    const auto now = clock_();
    check_rate(now);
    if (const auto objection = object_to_transaction(rules_, relayer(), transaction))
        refuse(*objection);

    const channel::Network network{transaction.chain_id};
    const auto most = rules_.networks.at(network).cost_per_hour_max;
    const auto cost = chain::cost(transaction.gas_limit, transaction.max_fee);
    const auto others = record_.cost_within_hour(network, transaction.nonce, now);
    const auto sum = cost ? channel::add(others, *cost) : cost;
    if (!sum || *sum > most)
        refuse("transactions of an hour may cost " + channel::to_string(most) + " wei on " +
               channel::to_string(network) + " (signed_cost_per_hour_max)");
    SignedEntry entry{now, {}};
    // The sender of such a claim consents to it as a signature would.
    if (const auto rows = chain::direct_claim_rows(chain::without_anchor(transaction.data))) {
        if (relayer() != authorizer()) refuse("it claims for another than the receiver authorizer");
        const chain::EscrowContract escrow{network, *transaction.to};
        admit_claims(escrow, *rows, entry);
    }
    entry.items.emplace_back(SignedCost{network, transaction.nonce, *cost});
    keep(std::move(entry));
    return keys_.sign_transaction(transaction);
}

void GuardedSigner::refuse(const std::string& why) {
    ++refusals_;
    throw chain::SignerRefused(why);
}

void GuardedSigner::check_rate(Time now) {
    while (!signed_at_.empty() && now - signed_at_.front() >= std::chrono::minutes{1})
        signed_at_.pop_front();
    if (signed_at_.size() < rules_.signatures_per_minute_max) return;
    ++refusals_;
    throw chain::SignerUnavailable("the signer has made " + std::to_string(signed_at_.size()) +
                                   " signatures within a minute (signatures_per_minute_max)");
}

void GuardedSigner::check_value(channel::Network network, const channel::Address& token,
                                Amount more, Time now) {
    const auto most = rules_.networks.at(network).value_per_hour_max.at(token);
    const auto sum = channel::add(record_.value_within_hour(network, token, now), more);
    if (sum && *sum <= most) return;
    refuse("claims and refunds of an hour may move " + channel::to_string(most) + " of token " +
           channel::to_hex(token) + " (signed_value_per_hour_max)");
}

void GuardedSigner::keep(SignedEntry entry) {
    if (!entry.items.empty()) {
        keep_(entry);
        record_.add(entry);
    }
    signed_at_.push_back(entry.at);
}

}  // namespace millrace::ledger::signing
