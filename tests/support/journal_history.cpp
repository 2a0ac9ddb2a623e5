#include "tests/support/journal_history.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

namespace support {
namespace {

constexpr std::uint64_t kDeposit = 1'000'000;

}  // namespace

ledger::NoteSigner log_signer(std::uint8_t seed, const std::string& origin) {
    ledger::Ed25519Seed bytes;
    bytes.bytes.fill(seed);
    return {origin, bytes};
}

JournalHistory::JournalHistory(Books& books, std::uint64_t seed, unsigned channels)
    : books_(books), random_(seed), shard_(books.shard()), sealer_(log_signer()) {
    channels_.resize(channels);
    std::vector<ledger::Request> batch;
    for (unsigned n = 0; n < channels; ++n) {
        payers_.push_back(payer(books, n + 1, n % 2));
        batch.push_back(payers_.back().open(n == 0 ? 0 : kDeposit));
        if (n > 0) channels_[n].balance = kDeposit;
    }
    process(std::move(batch), false);
}

ledger::ChainLog JournalHistory::next_log() {
    ledger::ChainLog log;
    for (auto& byte : log.transaction.bytes) byte = static_cast<std::uint8_t>(below(256));
    log.block_number = ++block_;
    log.block_hash.bytes.fill(static_cast<std::uint8_t>(block_));
    return log;
}

void JournalHistory::run(unsigned batches, unsigned seal_one_in) {
    for (unsigned n = 0; n < batches; ++n) {
        now_ += std::chrono::milliseconds(1 + below(90'000'000));
        std::vector<ledger::Request> batch;
        for (std::size_t at = 0; at < channels_.size(); ++at)
            if (below(2) == 0) add(batch, at);
        process(std::move(batch), true);
        if (below(8) == 0) undo_claim(below(channels_.size()));
        if (below(seal_one_in) == 0) seal();
    }
    seal();
}

std::uint64_t JournalHistory::seal() {
    pqxx::connection connection(books_.postgres.service_url());
    return sealer_.seal(connection, 1'000'000, now_);
}

void JournalHistory::add(std::vector<ledger::Request>& batch, std::size_t at) {
    auto& one = channels_[at];
    const auto& app = payers_[at];
    if (one.balance == 0 || below(5) == 0) return chain(batch, at);
    if (below(3) != 0) return pay(batch, at, 1 + below(5));
    const auto id = "work-" + std::to_string(++next_);
    if (one.open.empty() || below(2) == 0) {
        const auto most = 10 + below(500);
        one.used += most;
        one.promised = std::max(one.promised, one.used);
        batch.push_back(app.authorize(id, most, one.promised));
        one.open.emplace_back(id, most);
        return;
    }
    const auto [inference, most] = one.open.back();
    if (below(3) == 0) batch.push_back(app.charge(inference, 1, channel::Finality::partial));
    if (below(4) == 0)
        batch.push_back(app.release(inference));
    else
        batch.push_back(app.charge(inference, 1 + below(most)));
    one.open.pop_back();
}

/// Several at once: the last voucher covers those before it.
void JournalHistory::pay(std::vector<ledger::Request>& batch, std::size_t at, std::uint64_t times) {
    auto& one = channels_[at];
    for (std::uint64_t n = 0; n < times; ++n) {
        const auto amount = 1 + below(300);
        one.used += amount;
        one.promised = std::max(one.promised, one.used) + below(2) * below(100);
        batch.push_back(payers_[at].pay("pay-" + std::to_string(++next_), amount, one.promised,
                                        R"({"model":"m\u00e9 \"quoted\""})"));
    }
}

void JournalHistory::chain(std::vector<ledger::Request>& batch, std::size_t at) {
    auto& one = channels_[at];
    const auto id = payers_[at].terms.id;
    const auto post = [&](ledger::ChannelChainEvent event) {
        batch.push_back(ledger::PostChannelEvent{{}, id, next_log(), std::move(event)});
    };
    const auto kind = one.balance == 0 ? 0 : below(5);
    if (kind == 0) {
        post(channel::DepositConfirmed{units(kDeposit)});
        one.balance += kDeposit;
    } else if (kind == 1 || kind == 2) {
        const auto charged =
            std::stoull(books_.query("select charged from channel where channel_id = '\\" +
                                     channel::to_hex(id).substr(1) + "'"));
        if (charged <= one.claimed) return;
        one.last_claim = charged - one.claimed;
        one.claimed = charged;
        post(channel::ClaimConfirmed{units(charged)});
        if (kind == 1)
            batch.push_back(ledger::PostAssetEvent{
                {},
                books_.token,
                next_log(),
                ledger::Settled{payers_[at].terms.config.receiver, units(one.last_claim)}});
    } else if (kind == 3) {
        batch.push_back(
            ledger::PostAssetEvent{{}, books_.coin, next_log(), ledger::FeePaid{units(21'000)}});
    } else {
        post(channel::RefundConfirmed{units(1 + below(1000))});
    }
}

/// The chain takes the newest claim of the channel back, and it is made once more.
void JournalHistory::undo_claim(std::size_t at) {
    const auto id = payers_[at].terms.id;
    const auto found = books_.query(
        "select e.seq from chain_event e where kind = 'claimed' and channel_id = '\\" +
        channel::to_hex(id).substr(1) +
        "' and not exists (select from chain_reversal r where r.event_seq = e.seq) and "
        "not exists (select from transfer t where t.cause = 'settle') order by seq desc limit 1");
    if (found.empty()) return;
    process({ledger::UndoChannelEvent{{}, id, std::stoull(found)}}, true);
    channels_[at].claimed -= std::min(channels_[at].claimed, channels_[at].last_claim);
}

void JournalHistory::process(std::vector<ledger::Request> batch, bool may_refuse) {
    for (const auto& answer : shard_.process(std::move(batch), now_))
        if (const auto* refusal = std::get_if<channel::Refusal>(&answer.outcome); refusal)
            if (!may_refuse) FAIL("refused: " << channel::reason(refusal->error));
}

}  // namespace support
