#include "ledger/audit/reconciliation.hpp"

#include "channel/hex.hpp"
#include "channel/payer_signature.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace millrace::ledger {
namespace {

using channel::Amount;
using channel::Uint128;

constexpr std::string_view kDeposited = "deposited";
constexpr std::string_view kClaimed = "claimed";
constexpr std::string_view kInitiated = "withdraw_initiated";
constexpr std::string_view kFinalized = "withdraw_finalized";
constexpr std::string_view kRefunded = "refunded";
constexpr std::string_view kSettled = "settled";
/// Of a transaction of the service's own: there is no log of it.
constexpr std::string_view kFeePaid = "fee_paid";

using LogPlace = std::pair<channel::TransactionHash, std::uint32_t>;
using LogKey = std::tuple<channel::TransactionHash, std::uint32_t, channel::BlockHash>;

LogPlace place_of(const ChainLog& log) {
    return {log.transaction, log.log_index};
}
LogKey key_of(const ChainLog& log) {
    return {log.transaction, log.log_index, log.block_hash};
}

/// Less what an event brought; never below zero, where no books are.
Amount without(Amount from, Amount amount) {
    const auto left = channel::subtract(from, amount);
    return left ? *left : Amount{};
}
Amount with(Amount to, Amount amount) {
    const auto sum = channel::add(to, amount);
    return sum ? *sum : Amount::max();
}

std::string withdrawal_text(Amount amount, std::uint64_t requested_at) {
    if (requested_at == 0) return "none";
    return fmt::format("{} since {}", channel::to_string(amount), requested_at);
}

std::string log_text(const ChainLog& log) {
    return fmt::format("log {} of {}", log.log_index, channel::to_hex(log.transaction));
}

}  // namespace

std::string difference(Amount ledger, Amount chain) {
    if (ledger >= chain) return channel::to_string(without(ledger, chain));
    return "-" + channel::to_string(without(chain, ledger));
}

std::optional<ContractLog> contract_log(const chain::Log& log, const chain::EscrowEvent& event) {
    const ChainLog where{log.transaction, log.log_index, log.block_number, log.block_hash};
    if (const auto* one = std::get_if<chain::Deposited>(&event))
        return ContractLog{kDeposited, one->channel, one->amount, where};
    if (const auto* one = std::get_if<chain::Claimed>(&event))
        return ContractLog{kClaimed, one->channel, one->amount, where};
    if (const auto* one = std::get_if<chain::Refunded>(&event))
        return ContractLog{kRefunded, one->channel, one->amount, where};
    if (const auto* one = std::get_if<chain::WithdrawInitiated>(&event))
        return ContractLog{kInitiated, one->channel, one->amount, where};
    if (const auto* one = std::get_if<chain::WithdrawFinalized>(&event))
        return ContractLog{kFinalized, one->channel, one->amount, where};
    if (const auto* one = std::get_if<chain::SettledOnChain>(&event))
        return ContractLog{kSettled, std::nullopt, one->amount, where};
    return std::nullopt;
}

std::set<std::uint64_t> LogRange::unproven_blocks() const {
    std::set<channel::BlockHash> proven;
    for (const auto& log : logs) proven.insert(log.log.block_hash);
    std::set<std::uint64_t> unproven;
    for (const auto& event : posted)
        if (!proven.contains(event.log.block_hash)) unproven.insert(event.log.block_number);
    return unproven;
}

bool Reconciliation::reconciled() const {
    return breaks.total() == 0 &&
           std::all_of(networks.begin(), networks.end(), [](const NetworkReport& network) {
               return std::all_of(network.assets.begin(), network.assets.end(),
                                  [](const AssetReport& asset) {
                                      return asset.ledger_escrow == asset.contract_escrow;
                                  });
           });
}

NetworkComparison::NetworkComparison(const NetworkBooks& books,
                                     std::optional<channel::Digest> separator, Breaks& breaks)
    : books_(books),
      separator_(separator),
      breaks_(breaks),
      report_{books.network, books.block, {}, 0} {}

const AssetBooks* NetworkComparison::asset_of(std::int32_t id) const {
    const auto found = std::find_if(books_.assets.begin(), books_.assets.end(),
                                    [id](const AssetBooks& asset) { return asset.id == id; });
    return found == books_.assets.end() ? nullptr : &*found;
}

Break NetworkComparison::about(BreakKind kind, const ChannelBooks& channel) const {
    Break one{kind, books_.network};
    if (const auto* asset = asset_of(channel.terms.asset_id)) one.token = asset->token;
    one.channel = channel.terms.id;
    one.seq = channel.seq;
    return one;
}

Break NetworkComparison::about(BreakKind kind, const PostedLog& posted) const {
    Break one{kind, books_.network};
    one.channel = posted.channel;
    one.seq = posted.seq;
    one.transaction = posted.log.transaction;
    one.log_index = posted.log.log_index;
    return one;
}

void NetworkComparison::check_payments(const ChannelBooks& channel) {
    if (channel.paid == channel.transferred) return;
    auto one = about(BreakKind::payments_mismatch, channel);
    one.ledger = channel::to_string(channel.transferred);
    one.explanation = fmt::format("Its payments add up to {}, its transfers for payments to {}.",
                                  channel::to_string(channel.paid), one.ledger);
    breaks_.add(std::move(one));
}

bool NetworkComparison::is_signed(const ChannelBooks& channel) const {
    const auto& state = channel.state;
    if (state.signed_max.is_zero() || !separator_) return true;
    // A contract was asked when the voucher came; whose signatures it takes may have changed since.
    if (channel.terms.voucher_signer == channel::VoucherSigner::contract) return true;
    return channel::is_signed_by_payer(channel.terms.config, *separator_, channel.terms.id,
                                       state.signed_max, state.signature);
}

void NetworkComparison::check_voucher(const ChannelBooks& channel) {
    const auto& state = channel.state;
    const bool charged_above = state.charged > std::max(state.signed_max, state.total_claimed);
    if (charged_above || state.owed > state.signed_max) {
        auto one = about(BreakKind::charge_above_voucher, channel);
        one.ledger = channel::to_string(std::max(state.charged, state.owed));
        one.explanation = fmt::format("{} is charged, and the payer has signed for {}.", one.ledger,
                                      channel::to_string(state.signed_max));
        breaks_.add(std::move(one));
    }
    if (is_signed(channel)) return;
    auto one = about(BreakKind::bad_signature, channel);
    one.ledger = channel::to_string(state.signed_max);
    one.explanation = fmt::format("The payer's signature over {} is not the one that is kept.",
                                  channel::to_string(state.signed_max));
    breaks_.add(std::move(one));
}

/// Where the account agrees with its row, or its transfers do, it is the other of the two that is
/// at fault: account_mismatch. Where the balance alone is wrong, balance_mismatch says so.
void NetworkComparison::check_account(const ChannelBooks& channel, Uint128 balance_lacking) {
    const auto& state = channel.state;
    const Uint128 row = state.balance.units() - state.charged.units();
    const Uint128 account = channel.credits.units() - channel.debits.units();
    const Uint128 transfers = channel.moved_in.units() - channel.moved_out.units();
    if (account == row || transfers == row) return;
    if (balance_lacking != 0 && account - row == balance_lacking) return;
    auto one = about(BreakKind::journal_mismatch, channel);
    one.ledger = difference(channel.credits, channel.debits);
    one.explanation = fmt::format("Its account holds {}, its balance less its charges is {}.",
                                  one.ledger, difference(state.balance, state.charged));
    breaks_.add(std::move(one));
}

/// Takes back what is in the books of blocks above, newest first.
channel::Mirror NetworkComparison::at_block(const ChannelBooks& channel) const {
    auto mirror = channel::mirror_of(channel.state);
    const auto found = books_.ahead.find(channel.terms.id);
    if (found == books_.ahead.end()) return mirror;
    for (auto event = found->second.rbegin(); event != found->second.rend(); ++event) {
        if (event->kind == kDeposited) {
            mirror.balance = without(mirror.balance, event->amount);
        } else if (event->kind == kClaimed) {
            mirror.total_claimed = without(mirror.total_claimed, event->amount);
        } else if (event->kind == kInitiated) {
            mirror.withdraw_requested_at = 0;
            mirror.withdraw_amount = Amount{};
        } else if (event->kind == kFinalized || event->kind == kRefunded) {
            mirror.balance = with(mirror.balance, event->amount);
            mirror.withdraw_requested_at = event->requested_at;
            mirror.withdraw_amount = event->withdraw_amount;
            if (event->kind == kRefunded && mirror.refund_nonce != 0) --mirror.refund_nonce;
        }
    }
    return mirror;
}

bool NetworkComparison::has_begun(const ChannelBooks& channel) const {
    return books_.block &&
           (!channel.opening || channel.opening->block_number <= books_.block->number);
}

void NetworkComparison::suspect(BreakKind kind, const ChannelBooks& channel, Amount ledger,
                                Amount chain) {
    if (ledger == chain) return;
    suspicions_.push_back({kind, channel.terms.asset_id, channel.terms.id, channel.seq,
                           chain.units() - ledger.units(), channel::to_string(ledger),
                           channel::to_string(chain)});
}

/// What was claimed before the snapshot is no charge of this service's.
void NetworkComparison::compare_claimed(const ChannelBooks& channel, Amount books,
                                        Amount contract) {
    const auto charged = channel.opening
                             ? std::max(channel.state.owed, channel.opening->total_claimed)
                             : Amount::max();
    if (contract <= charged) {
        suspect(BreakKind::claimed_mismatch, channel, books, contract);
        return;
    }
    auto one = about(BreakKind::claim_above_charges, channel);
    one.ledger = channel::to_string(charged);
    one.chain = channel::to_string(contract);
    one.explanation =
        fmt::format("{} is claimed on chain, and {} was charged.", one.chain, one.ledger);
    breaks_.add(std::move(one));
}

/// The amount of an old withdrawal may not be known to the books.
void NetworkComparison::compare_withdrawal(const ChannelBooks& channel,
                                           const channel::Mirror& books,
                                           const chain::PendingWithdrawal& contract) {
    const bool same_amount =
        books.withdraw_amount.is_zero() || books.withdraw_amount == contract.amount;
    if (books.withdraw_requested_at == contract.initiated_at && same_amount) return;
    suspicions_.push_back({BreakKind::withdrawal_mismatch, channel.terms.asset_id, channel.terms.id,
                           channel.seq, 0,
                           withdrawal_text(books.withdraw_amount, books.withdraw_requested_at),
                           withdrawal_text(contract.amount, contract.initiated_at)});
}

void NetworkComparison::compare(const ChannelBooks& channel, const chain::ChannelViews* contract) {
    ++report_.channels;
    check_payments(channel);
    check_voucher(channel);
    if (channel.openings > 1) {
        auto one = about(BreakKind::double_credit, channel);
        one.explanation = fmt::format("It was opened {} times.", channel.openings);
        breaks_.add(std::move(one));
    }
    if (!contract || !has_begun(channel)) {
        check_account(channel, 0);
        return;
    }
    const auto books = at_block(channel);
    const auto& totals = contract->totals;
    check_account(channel, totals.balance.units() - books.balance.units());
    suspect(BreakKind::balance_mismatch, channel, books.balance, totals.balance);
    compare_claimed(channel, books.total_claimed, totals.total_claimed);
    compare_withdrawal(channel, books, contract->withdrawal);
    suspect(BreakKind::refund_nonce_mismatch, channel, Amount{books.refund_nonce},
            Amount{contract->refund_nonce});
    held_[channel.terms.asset_id] += totals.balance.units() - totals.total_claimed.units();
}

void NetworkComparison::compare(const ReceiverBooks& receiver,
                                const chain::ReceiverTotals& contract) {
    const auto owes = without(contract.total_claimed, contract.total_settled);
    held_[receiver.asset_id] += std::min(owes, receiver.claimed).units();
    if (receiver.claimed <= owes) return;
    Break one{BreakKind::settled_mismatch, books_.network};
    const auto* asset = asset_of(receiver.asset_id);
    one.token = asset ? asset->token : channel::Address{};
    one.account = fmt::format("{}:{}:claimed:{}", books_.network.chain_id,
                              channel::to_hex(*one.token), channel::to_hex(receiver.receiver));
    one.ledger = channel::to_string(receiver.claimed);
    one.chain = channel::to_string(owes);
    one.explanation = fmt::format("{} is booked as claimed and not settled, the contract owes {}.",
                                  one.ledger, one.chain);
    breaks_.add(std::move(one));
}

void NetworkComparison::account_for(const channel::ChannelId& id, std::string_view kind,
                                    Amount amount, Sign sign) {
    auto& broken = broken_[id];
    const Uint128 signed_amount = sign == Sign::plus ? amount.units() : -amount.units();
    if (kind == kDeposited) broken.balance += signed_amount;
    if (kind == kClaimed) broken.claimed += signed_amount;
    if (kind == kRefunded || kind == kFinalized) broken.balance -= signed_amount;
    if (kind == kRefunded) broken.refunds += sign == Sign::plus ? 1 : -Uint128{1};
    if (kind == kRefunded || kind == kFinalized || kind == kInitiated) broken.withdrawal = true;
}

/// An event that should not be in the books.
void NetworkComparison::disown(const PostedLog& posted, BreakKind kind, std::string chain,
                               std::string explanation) {
    auto one = about(kind, posted);
    one.ledger = channel::to_string(posted.amount);
    one.chain = std::move(chain);
    one.explanation = std::move(explanation);
    breaks_.add(std::move(one));
    if (posted.channel) account_for(*posted.channel, posted.kind, posted.amount, Sign::minus);
}

void NetworkComparison::check_moved(const PostedLog& posted) {
    if (posted.moved == posted.amount) return;
    auto one = about(BreakKind::amount_mismatch, posted);
    one.ledger = channel::to_string(posted.moved);
    one.explanation = fmt::format("The event is of {}, its transfer of {}.",
                                  channel::to_string(posted.amount), one.ledger);
    breaks_.add(std::move(one));
}

void NetworkComparison::compare_log(const PostedLog& posted, const ContractLog& log,
                                    const LogRange& range) {
    if (posted.kind != log.kind || posted.channel != log.channel) {
        disown(posted, BreakKind::unknown_event, channel::to_string(log.amount),
               fmt::format("It is posted as {}, and its log is another: {}{}.", posted.kind,
                           log.kind, log.channel ? " of " + channel::to_hex(*log.channel) : ""));
        if (log.channel) account_for(*log.channel, log.kind, log.amount, Sign::plus);
        return;
    }
    const auto opening =
        posted.channel ? range.openings.find(*posted.channel) : range.openings.end();
    if (opening != range.openings.end() && log.log.block_number <= opening->second) {
        disown(posted, BreakKind::double_credit, channel::to_string(log.amount),
               fmt::format("The snapshot of block {} that its channel was opened with has it.",
                           opening->second));
        return;
    }
    // A request to withdraw moves nothing. A settlement may be for channels of others as well.
    if (posted.kind == kInitiated) return;
    const bool moved_right =
        posted.kind == kSettled ? posted.moved <= log.amount : posted.moved == log.amount;
    if (posted.amount == log.amount && moved_right) return;
    const auto wrong = posted.amount == log.amount ? posted.moved : posted.amount;
    auto one = about(BreakKind::amount_mismatch, posted);
    one.ledger = channel::to_string(wrong);
    one.chain = channel::to_string(log.amount);
    one.explanation = fmt::format("{} of {} is posted as {}.", posted.kind, one.chain, one.ledger);
    breaks_.add(std::move(one));
    if (!posted.channel) return;
    account_for(*posted.channel, posted.kind, log.amount, Sign::plus);
    account_for(*posted.channel, posted.kind, wrong, Sign::minus);
}

void NetworkComparison::miss(const ContractLog& log) {
    Break one{BreakKind::missing_event, books_.network};
    one.channel = log.channel;
    one.transaction = log.log.transaction;
    one.log_index = log.log.log_index;
    one.chain = channel::to_string(log.amount);
    one.explanation = fmt::format("{} of {}, {} in block {}, is not posted.", log.kind, one.chain,
                                  log_text(log.log), log.log.block_number);
    breaks_.add(std::move(one));
    account_for(*log.channel, log.kind, log.amount, Sign::plus);
}

void NetworkComparison::compare(const LogRange& range) {
    std::map<LogKey, const ContractLog*> by_key;
    std::map<LogPlace, const ContractLog*> unposted;
    std::map<std::uint64_t, channel::BlockHash> hashes = range.hashes;
    for (const auto& log : range.logs) {
        by_key.emplace(key_of(log.log), &log);
        unposted.emplace(place_of(log.log), &log);
        hashes.emplace(log.log.block_number, log.log.block_hash);
    }
    std::set<LogKey> credited;
    for (const auto& posted : range.posted)
        if (by_key.contains(key_of(posted.log))) unposted.erase(place_of(posted.log));
    for (const auto& posted : range.posted) {
        const auto on_chain = hashes.find(posted.log.block_number);
        if (on_chain == hashes.end() || on_chain->second != posted.log.block_hash) {
            disown(
                posted, BreakKind::orphaned_block, {},
                fmt::format("{} is posted of block {} {}, which is not on the chain.", posted.kind,
                            posted.log.block_number, channel::to_hex(posted.log.block_hash)));
            // The same log in the block that took its place is what should have been posted.
            const auto moved = unposted.find(place_of(posted.log));
            if (moved == unposted.end() || !moved->second->channel) continue;
            const auto& log = *moved->second;
            account_for(*log.channel, log.kind, log.amount, Sign::plus);
            unposted.erase(moved);
        } else if (!credited.insert(key_of(posted.log)).second) {
            disown(posted, BreakKind::double_credit, {},
                   fmt::format("{} is posted already.", log_text(posted.log)));
        } else if (posted.kind == kFeePaid) {
            check_moved(posted);
        } else if (const auto log = by_key.find(key_of(posted.log)); log != by_key.end()) {
            compare_log(posted, *log->second, range);
        } else {
            disown(posted, BreakKind::unknown_event, {},
                   fmt::format("{} is posted, and block {} has no such log.", posted.kind,
                               posted.log.block_number));
        }
    }
    for (const auto& log : range.logs) {
        if (!log.channel || !unposted.contains(place_of(log.log))) continue;
        const auto opening = range.openings.find(*log.channel);
        if (opening != range.openings.end() && log.log.block_number > opening->second) miss(log);
    }
}

void NetworkComparison::compare(const AssetBooks& asset, const channel::Word& contract_balance) {
    const AssetReport report{
        asset.token,     asset.symbol, asset.decimals, asset.escrow, Amount{held_[asset.id]},
        contract_balance};
    report_.assets.push_back(report);
    if (contract_balance >= channel::to_word(asset.escrow)) return;
    Break one{BreakKind::escrow_short, books_.network};
    one.token = asset.token;
    one.account =
        fmt::format("{}:{}:escrow", books_.network.chain_id, channel::to_hex(asset.token));
    one.ledger = channel::to_string(asset.escrow);
    // Less than an amount, and so one itself.
    one.chain = channel::to_string(channel::amount_from_word(contract_balance).value());
    one.explanation = fmt::format("The contract holds {} {}, the books say {}.", one.chain,
                                  asset.symbol, one.ledger);
    breaks_.add(std::move(one));
}

bool NetworkComparison::is_accounted_for(const Suspicion& suspicion) const {
    const auto found = broken_.find(suspicion.channel);
    if (found == broken_.end()) return false;
    const auto& broken = found->second;
    const auto lacking = suspicion.lacking;
    if (suspicion.kind == BreakKind::balance_mismatch) return lacking == broken.balance;
    if (suspicion.kind == BreakKind::claimed_mismatch) return lacking == broken.claimed;
    if (suspicion.kind == BreakKind::refund_nonce_mismatch) return lacking == broken.refunds;
    return broken.withdrawal;
}

NetworkReport NetworkComparison::finish() {
    const auto sentence = [](BreakKind kind) -> std::string_view {
        if (kind == BreakKind::balance_mismatch) return "The contract has another balance.";
        if (kind == BreakKind::claimed_mismatch) return "The contract has another claimed total.";
        if (kind == BreakKind::withdrawal_mismatch)
            return "The contract has another pending withdrawal.";
        return "The contract has another refund nonce. A refund that moved nothing raises it "
               "without an event.";
    };
    for (auto& suspicion : suspicions_) {
        if (is_accounted_for(suspicion)) continue;
        Break one{suspicion.kind, books_.network};
        if (const auto* asset = asset_of(suspicion.asset_id)) one.token = asset->token;
        one.channel = suspicion.channel;
        one.seq = suspicion.seq;
        one.ledger = std::move(suspicion.ledger);
        one.chain = std::move(suspicion.chain);
        one.explanation = sentence(suspicion.kind);
        breaks_.add(std::move(one));
    }
    suspicions_.clear();
    return std::move(report_);
}

}  // namespace millrace::ledger
