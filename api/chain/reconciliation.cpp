#include "api/chain/reconciliation.hpp"

#include "ledger/audit/reconciliation_reader.hpp"
#include "ledger/chain/many_views.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

namespace millrace::api {

namespace chain = ledger::chain;
using chain::BlockTag;
using channel::Error;
using ledger::BreakKind;
using ledger::ReconciliationReader;

namespace {

/// So many channels and receivers are asked for in one call of the contract: nodes limit the gas.
constexpr std::size_t kChannelsAtOnce = 200;
constexpr std::size_t kReceiversAtOnce = 500;
constexpr std::size_t kVouchersAtOnce = 2000;
/// Blocks whose logs are asked for at once; halved when the node refuses.
constexpr std::uint64_t kBlocksAtOnce = 2000;
constexpr int kAttempts = 4;

enum class Outcome { done, chain_changed, failed };

/// One network of one snapshot.
class Comparing {
public:
    Comparing(ChainContext& context, std::shared_ptr<ReconciliationReader> reader,
              const ledger::NetworkBooks& books, ChainNetwork* network, ledger::Breaks& breaks)
        : context_(context),
          reader_(std::move(reader)),
          books_(books),
          network_(books.block ? network : nullptr),
          comparison_(books, network ? std::optional(network->escrow_separator) : std::nullopt,
                      breaks) {}

    /// State first: nodes forget that of old blocks, and never logs.
    Task<Outcome> run() {
        auto outcome = co_await check_block();
        if (outcome == Outcome::done) outcome = co_await channels();
        if (outcome != Outcome::done || !network_) co_return outcome;
        outcome = co_await receivers();
        if (outcome == Outcome::done) outcome = co_await escrow();
        if (outcome == Outcome::done) outcome = co_await logs();
        if (outcome == Outcome::done) outcome = co_await check_block();
        co_return outcome;
    }

    ledger::NetworkReport finish() { return comparison_.finish(); }

private:
    Outcome failed(const std::string& why) const {
        spdlog::warn("{}: cannot be reconciled: {}", network_->node.name(), why);
        return Outcome::failed;
    }

    BlockTag at() const { return BlockTag::number(books_.block->number); }

    Task<Outcome> check_block() {
        if (!network_) co_return Outcome::done;
        const auto found = co_await network_->node.block(at());
        if (!found) co_return failed(found.error().message);
        const bool same = *found && (*found)->hash == books_.block->hash;
        co_return same ? Outcome::done : Outcome::chain_changed;
    }

    Task<Outcome> channels() {
        std::optional<channel::ChannelId> after;
        for (;;) {
            const auto reading = [this, after](pqxx::connection&) {
                return reader_->channels(books_, after, kChannelsAtOnce);
            };
            const auto page = co_await context_.database.run(reading);
            if (page.empty()) co_return Outcome::done;
            const auto outcome = co_await compare(page);
            if (outcome != Outcome::done) co_return outcome;
            after = page.back().terms.id;
            if (context_.stopping) co_return Outcome::failed;
        }
    }

    /// Signatures are checked on a database thread, so that the chain is followed meanwhile.
    Task<Outcome> compare(const std::vector<ledger::ChannelBooks>& page) {
        std::vector<chain::ChannelViews> contract;
        if (network_) {
            std::vector<channel::ChannelId> ids;
            for (const auto& one : page) ids.push_back(one.terms.id);
            const auto answer = co_await network_->node.call(network_->config.contract,
                                                             chain::channel_views_call(ids), at());
            if (!answer) co_return failed(answer.error().message);
            auto views = chain::decode_channel_views(*answer, ids.size());
            if (!views) co_return failed("the contract's answer is none");
            contract = std::move(*views);
        }
        const auto work = [this, &page, &contract](pqxx::connection&) {
            for (std::size_t n = 0; n < page.size(); ++n)
                comparison_.compare(page[n], network_ ? &contract[n] : nullptr);
        };
        co_await context_.database.run(work);
        co_return Outcome::done;
    }

    channel::Address token_of(std::int32_t asset_id) const {
        for (const auto& asset : books_.assets)
            if (asset.id == asset_id) return asset.token;
        return {};
    }

    Task<Outcome> receivers() {
        const auto& all = books_.receivers;
        for (std::size_t first = 0; first < all.size(); first += kReceiversAtOnce) {
            const auto count = std::min(kReceiversAtOnce, all.size() - first);
            std::vector<chain::ReceiverPlace> places;
            for (std::size_t n = 0; n < count; ++n)
                places.push_back({all[first + n].receiver, token_of(all[first + n].asset_id)});
            const auto answer = co_await network_->node.call(
                network_->config.contract, chain::receiver_views_call(places), at());
            if (!answer) co_return failed(answer.error().message);
            const auto totals = chain::decode_receiver_views(*answer, count);
            if (!totals) co_return failed("the contract's answer is none");
            for (std::size_t n = 0; n < count; ++n)
                comparison_.compare(all[first + n], (*totals)[n]);
        }
        co_return Outcome::done;
    }

    Task<Outcome> escrow() {
        for (const auto& asset : books_.assets) {
            const auto answer = co_await network_->node.call(
                asset.token, chain::balance_of_call(network_->config.contract), at());
            if (!answer) co_return failed(answer.error().message);
            const auto balance = chain::decode_word(*answer);
            if (!balance) co_return failed("the token's answer is none");
            comparison_.compare(asset, *balance);
        }
        co_return Outcome::done;
    }

    Task<Outcome> logs() {
        auto next = books_.first_block;
        auto size = kBlocksAtOnce;
        while (next <= books_.block->number) {
            if (context_.stopping) co_return Outcome::failed;
            const auto to = std::min(next + size - 1, books_.block->number);
            const auto found = co_await network_->node.logs(next, to, {});
            if (!found && size > 1) {
                size /= 2;
                continue;
            }
            if (!found) co_return failed(found.error().message);
            const auto outcome = co_await compare(*found, next, to);
            if (outcome != Outcome::done) co_return outcome;
            next = to + 1;
            size = std::min(size * 2, kBlocksAtOnce);
        }
        co_return Outcome::done;
    }

    Task<Outcome> compare(const std::vector<chain::Log>& found, std::uint64_t from,
                          std::uint64_t to) {
        ledger::LogRange range;
        for (const auto& log : found) {
            if (log.address != network_->config.contract || log.block_number < from ||
                log.block_number > to)
                co_return failed("the node gave logs that were not asked for");
            const auto event = chain::decode(log);
            const auto told = event && *event ? ledger::contract_log(log, **event) : std::nullopt;
            if (told) range.logs.push_back(*told);
        }
        const auto reading = [this, &range, from, to](pqxx::connection&) {
            range.posted = reader_->posted(books_.network, from, to);
            std::set<channel::ChannelId> ids;
            for (const auto& log : range.logs)
                if (log.channel) ids.insert(*log.channel);
            range.openings = reader_->openings(ids);
        };
        co_await context_.database.run(reading);
        for (const auto number : range.unproven_blocks()) {
            const auto block = co_await network_->node.block(BlockTag::number(number));
            if (!block) co_return failed(block.error().message);
            if (*block) range.hashes.emplace(number, (*block)->hash);
        }
        comparison_.compare(range);
        co_return Outcome::done;
    }

    ChainContext& context_;
    std::shared_ptr<ReconciliationReader> reader_;
    const ledger::NetworkBooks& books_;
    /// Null: there is no chain to compare with.
    ChainNetwork* network_;
    ledger::NetworkComparison comparison_;
};

Task<Outcome> check_books(ChainContext& context, std::shared_ptr<ReconciliationReader> reader,
                          const std::vector<ChainNetwork*>& networks, Vouchers vouchers,
                          ledger::Breaks& breaks) {
    const auto summing = [reader, &breaks](pqxx::connection&) { reader->check_accounts(breaks); };
    co_await context.database.run(summing);
    std::map<channel::Network, channel::Digest> separators;
    for (const auto* network : networks)
        separators.emplace(network->config.network, network->escrow_separator);
    std::optional<std::uint64_t> after;
    if (vouchers == Vouchers::all) after = 0;
    while (after) {
        if (context.stopping) co_return Outcome::failed;
        const auto checking = [reader, &separators, &breaks, from = *after](pqxx::connection&) {
            return reader->check_vouchers(separators, from, kVouchersAtOnce, breaks);
        };
        after = co_await context.database.run(checking);
    }
    co_return Outcome::done;
}

Task<Outcome> attempt(ChainContext& context, const std::vector<ChainNetwork*>& networks,
                      Vouchers vouchers, ledger::Reconciliation& report) {
    const auto opening = [](pqxx::connection& connection) {
        return std::make_shared<ReconciliationReader>(connection);
    };
    const auto reader = co_await context.database.run(opening);
    const auto reading = [reader](pqxx::connection&) { return reader->networks(); };
    const auto books = co_await context.database.run(reading);
    report.seq = reader->seq();
    for (const auto& one : books) {
        const auto followed = std::find_if(
            networks.begin(), networks.end(),
            [&](const ChainNetwork* network) { return network->config.network == one.network; });
        Comparing comparing(context, reader, one, followed == networks.end() ? nullptr : *followed,
                            report.breaks);
        const auto outcome = co_await comparing.run();
        if (outcome != Outcome::done) co_return outcome;
        report.networks.push_back(comparing.finish());
        if (followed == networks.end()) report.networks.back().block.reset();
    }
    co_return co_await check_books(context, reader, networks, vouchers, report.breaks);
}

}  // namespace

Task<channel::Result<ledger::Reconciliation>> reconcile(ChainContext& context,
                                                        std::vector<ChainNetwork*> networks,
                                                        Vouchers vouchers) {
    bool looked_again = false;
    for (int n = 0; n < kAttempts; ++n) {
        ledger::Reconciliation report;
        const auto outcome = co_await attempt(context, networks, vouchers, report);
        if (outcome == Outcome::failed) co_return Error::rpc_read_failed;
        // What the chain took back a moment ago is undone at the follower's next look.
        const bool may_be_undone =
            report.breaks.has(BreakKind::orphaned_block) && !std::exchange(looked_again, true);
        if (outcome == Outcome::done && !may_be_undone) co_return report;
        std::chrono::milliseconds longest{0};
        for (const auto* network : networks)
            longest = std::max(longest, network->config.poll_interval);
        co_await context.pause(2 * longest);
        if (context.stopping) break;
    }
    co_return Error::rpc_read_failed;
}

}  // namespace millrace::api
